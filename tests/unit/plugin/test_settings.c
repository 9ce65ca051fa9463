/* SPDX-License-Identifier: MIT */
/* What an operator may write under 'settings:' for the fixture good, and what is then in its state.
 */
#include <config.h>

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "good.h"
#include "main.h"
#include "place.h"
#include "plugin/plugin.h"

static struct place place;
static char file[PLACE_PATH];
static struct plugin *plugin;
static char said[4096]; /* the lines of the last reading */

static void setup(void)
{
    place_init(&place);
    place_put(&place, "good", "good", file);
    ck_assert_int_eq(plugin_load(file, NULL, NULL, &plugin), ACKD_OK);
}

static void teardown(void)
{
    place_fini(&place);
}

static void say(const char *line, void *arg)
{
    ck_assert_ptr_eq(arg, said);
    strcat(strcat(said, line), "\n");
}

/* One more setting, of one value. */
static struct config_setting one(const char *key, const char *const *values)
{
    return (struct config_setting){
        .key = key, .values = values, .file = "a.yaml", .line = 7, .column = 3};
}

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define URL one("stock-url", VALUES("http://stock"))

static int read_all(const struct config_setting *settings, size_t count, void *state)
{
    said[0] = '\0';
    return plugin_settings(plugin, settings, count, "a.yaml:5", state, say, said);
}

/* This setting, with nothing else wrong, gives this line. */
static void wrong(struct config_setting setting, const char *line)
{
    struct good good = {0};
    const struct config_setting settings[] = {URL, setting};
    ck_assert_int_eq(read_all(settings, 2, &good), ACKD_E_CONFIG);
    ck_assert_msg(strstr(said, line) != NULL, "%s", said);
    ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}

START_TEST(test_defaults_are_filled_in)
{
    struct good good = {.token = "x", .spool = "x"};
    const struct config_setting settings[] = {URL};
    ck_assert_int_eq(read_all(settings, 1, &good), ACKD_OK);
    ck_assert_str_eq(said, "");
    ck_assert_str_eq(good.stock_url, "http://stock");
    ck_assert_str_eq(good.title, "none");
    ck_assert_ptr_null(good.spool);
    ck_assert_ptr_null(good.token);
    ck_assert_int_eq(good.count, 3);
    ck_assert(good.eager);
    ck_assert_uint_eq(good.grace, 5000);
    ck_assert_uint_eq(good.room, 65536);
    ck_assert_int_eq(good.colour, 1);
    ck_assert_str_eq(good.words[0], "one");
    ck_assert_ptr_null(good.words[1]);
}
END_TEST

START_TEST(test_each_type_is_read)
{
    struct good good = {0};
    struct config_setting words = one("words", VALUES("a", "b"));
    words.list = true;
    const struct config_setting settings[] = {
        URL,
        one("title", VALUES("")),
        one("spool", VALUES("/var/spool")),
        one("token", VALUES("hush")),
        one("count", VALUES("-5")),
        one("eager", VALUES("false")),
        one("grace", VALUES("1m")),
        one("room", VALUES("1MiB")),
        one("colour", VALUES("red")),
        words,
    };
    ck_assert_int_eq(read_all(settings, sizeof settings / sizeof *settings, &good), ACKD_OK);
    ck_assert_str_eq(good.title, "");
    ck_assert_str_eq(good.spool, "/var/spool");
    ck_assert_str_eq(good.token, "hush");
    ck_assert_int_eq(good.count, -5);
    ck_assert(!good.eager);
    ck_assert_uint_eq(good.grace, 60000);
    ck_assert_uint_eq(good.room, 1 << 20);
    ck_assert_int_eq(good.colour, 0);
    ck_assert_str_eq(good.words[1], "b");
    ck_assert_ptr_null(good.words[2]);
}
END_TEST

START_TEST(test_one_value_is_a_list_of_one)
{
    struct good good = {0};
    const struct config_setting settings[] = {URL, one("words", VALUES("a"))};
    ck_assert_int_eq(read_all(settings, 2, &good), ACKD_OK);
    ck_assert_str_eq(good.words[0], "a");
    ck_assert_ptr_null(good.words[1]);
}
END_TEST

START_TEST(test_an_unknown_setting_is_told_with_the_nearest)
{
    wrong(one("stok-url", VALUES("x")),
          "a.yaml:7:3: unknown setting 'stok-url' of handler 'good' (did you mean 'stock-url'?)");
    wrong(one("stock_url", VALUES("x")), "did you mean 'stock-url'?");
    wrong(one("thermodynamics", VALUES("x")), "(it has stock-url, title, spool, token");
}
END_TEST

START_TEST(test_a_wrong_value_is_told_with_its_place_and_what_to_write)
{
    struct config_setting list = one("count", VALUES("1", "2"));
    list.list = true;
    wrong(one("count", VALUES("many")), "a.yaml:7:3: setting 'count' of handler 'good' is not a");
    wrong(one("count", VALUES("11")), "is out of bounds: write -5 to 10");
    wrong(one("grace", VALUES("2m")), "is out of bounds: write 1ms to 1m");
    wrong(one("grace", VALUES("0")), "is out of bounds: write 1ms to 1m");
    wrong(one("grace", VALUES("5")), "ms, s, m");
    wrong(one("room", VALUES("2MiB")), "is out of bounds: write 0");
    wrong(one("room", VALUES("9223372036854775808")), "is out of bounds");
    wrong(one("eager", VALUES("perhaps")), "true");
    wrong(one("colour", VALUES("blue")), "red, green");
    wrong(one("spool", VALUES("var/spool")), "absolute path");
    wrong(one("stock-url", VALUES("x")), "is set twice");
    wrong(list, "is a list: it takes one value");
}
END_TEST

START_TEST(test_a_required_setting_that_is_missing_is_told_at_the_consumer)
{
    ck_assert_int_eq(read_all(NULL, 0, NULL), ACKD_E_CONFIG);
    ck_assert_str_eq(said, "a.yaml:5: handler 'good' needs the setting 'stock-url': where stock is "
                           "reserved\n");
}
END_TEST

START_TEST(test_all_errors_are_told_at_once)
{
    const struct config_setting settings[] = {one("count", VALUES("many")),
                                              one("coulour", VALUES("red"))};
    ck_assert_int_eq(read_all(settings, 2, NULL), ACKD_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(said, "'count'"));
    ck_assert_ptr_nonnull(strstr(said, "did you mean 'colour'?"));
    ck_assert_ptr_nonnull(strstr(said, "needs the setting 'stock-url'"));
}
END_TEST

START_TEST(test_no_value_is_ever_shown)
{
    wrong(one("count", VALUES("hunter2")), "'count'");
    ck_assert_ptr_null(strstr(said, "hunter2"));
    wrong(one("spool", VALUES("hunter2")), "'spool'");
    ck_assert_ptr_null(strstr(said, "hunter2"));
    wrong(one("colour", VALUES("hunter2")), "'colour'");
    ck_assert_ptr_null(strstr(said, "hunter2"));
}
END_TEST

START_TEST(test_a_state_outlives_the_settings_it_was_made_from)
{
    char url[] = "http://stock";
    char word[] = "word";
    const char *urls[] = {url, NULL};
    const char *words[] = {word, NULL};
    const struct config_setting settings[] = {one("stock-url", urls), one("words", words)};
    void *state = NULL;
    ck_assert_int_eq(plugin_state_new(plugin, settings, 2, "a.yaml:5", &state), ACKD_OK);
    memset(url, 'x', sizeof url - 1);
    memset(word, 'x', sizeof word - 1);
    words[0] = urls[0] = NULL;
    const struct good *good = state;
    ck_assert_str_eq(good->stock_url, "http://stock");
    ck_assert_str_eq(good->words[0], "word");
    ck_assert_ptr_null(good->words[1]);
    ck_assert_str_eq(good->title, "none");
    plugin_state_free(plugin, &state);
    ck_assert_ptr_null(state);
    plugin_state_free(plugin, &state);
}
END_TEST

START_TEST(test_a_state_that_cannot_be_made_tells_the_first_error)
{
    void *state = NULL;
    ck_assert_int_eq(plugin_state_new(plugin, NULL, 0, "a.yaml:5", &state), ACKD_E_CONFIG);
    ck_assert_ptr_null(state);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()),
                                 "a.yaml:5: handler 'good' needs the setting 'stock-url'"));
}
END_TEST

START_TEST(test_a_handler_without_state_gets_none)
{
    struct plugin *stateless = NULL;
    void *state = &stateless;
    place_put(&place, "newer", "newer", file);
    ck_assert_int_eq(plugin_load(file, NULL, NULL, &stateless), ACKD_OK);
    ck_assert_int_eq(plugin_state_new(stateless, NULL, 0, "a.yaml:5", &state), ACKD_OK);
    ck_assert_ptr_null(state);
    const struct config_setting settings[] = {URL};
    said[0] = '\0';
    ck_assert_int_eq(plugin_settings(stateless, settings, 1, "a.yaml:5", NULL, say, said),
                     ACKD_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(said, "(it has none)"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plugin/settings");
    TCase *tc = tcase_create("settings");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_defaults_are_filled_in);
    tcase_add_test(tc, test_each_type_is_read);
    tcase_add_test(tc, test_one_value_is_a_list_of_one);
    tcase_add_test(tc, test_an_unknown_setting_is_told_with_the_nearest);
    tcase_add_test(tc, test_a_wrong_value_is_told_with_its_place_and_what_to_write);
    tcase_add_test(tc, test_a_required_setting_that_is_missing_is_told_at_the_consumer);
    tcase_add_test(tc, test_all_errors_are_told_at_once);
    tcase_add_test(tc, test_no_value_is_ever_shown);
    tcase_add_test(tc, test_a_state_outlives_the_settings_it_was_made_from);
    tcase_add_test(tc, test_a_state_that_cannot_be_made_tells_the_first_error);
    tcase_add_test(tc, test_a_handler_without_state_gets_none);
    suite_add_tcase(suite, tc);
    return suite;
}
