/* SPDX-License-Identifier: MIT */
/* Handlers that are right, and wrong in one way each: what is loaded, and what is said. */
#include <config.h>

#include "plugin/plugin.h"

#include <ackd/error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main.h"
#include "place.h"

static struct place place;
static char file[PLACE_PATH];
static const char *path[2];

static void setup(void)
{
    place_init(&place);
    path[0] = place.directory;
    path[1] = NULL;
}

static void teardown(void)
{
    place_fini(&place);
}

static const char *text(void)
{
    return ackd_error_text(ackd_error_current());
}

static struct plugin *load(const char *name, const char *cache)
{
    struct plugin *plugin = NULL;
    ck_assert_msg(plugin_load(name, path, cache, &plugin) == ACKD_OK, "%s", text());
    return plugin;
}

/* The fixture is refused, and the text has both words in it. */
static void refused(const char *name, const char *word, const char *other)
{
    struct plugin *plugin = NULL;
    place_put(&place, name, name, file);
    ck_assert_int_eq(plugin_load(name, path, NULL, &plugin), ACKD_E_PLUGIN);
    ck_assert_ptr_null(plugin);
    ck_assert_msg(strstr(text(), word) != NULL, "%s", text());
    ck_assert_msg(strstr(text(), other) != NULL, "%s", text());
    ck_assert_msg(strstr(text(), file) != NULL, "%s", text());
}

START_TEST(test_a_good_handler_is_loaded_and_can_be_called)
{
    place_put(&place, "good", "shop", file);
    struct plugin *plugin = load("shop", NULL);
    const struct ackd_consumer *consumer = plugin_consumer(plugin);
    ck_assert_str_eq(consumer->name, "good");
    ck_assert_str_eq(consumer->version, "1.2");
    ck_assert_str_eq(plugin_file(plugin), file);
    const char *const title[] = {"Tea", NULL};
    ck_assert_int_eq(consumer->handle(NULL, &(const char *[]){"", title[0]}), ACKD_E_USER);
    ck_assert_str_eq(text(), "Tea");
}
END_TEST

START_TEST(test_the_same_name_is_the_same_plugin)
{
    place_put(&place, "good", "shop", file);
    struct plugin *plugin = load("shop", NULL);
    ck_assert_ptr_eq(load("shop", NULL), plugin);
    ck_assert_ptr_eq(load(file, NULL), plugin);
    ck_assert_ptr_eq(load("shop", place.cache), plugin);
}
END_TEST

START_TEST(test_a_link_is_followed_to_the_file_it_means)
{
    char link[PLACE_PATH + 16];
    place_put(&place, "good", "shop-2", file);
    snprintf(link, sizeof link, "%s/shop.so", place.directory);
    ck_assert_int_eq(symlink("shop-2.so", link), 0);
    ck_assert_str_eq(plugin_file(load("shop", NULL)), file);
}
END_TEST

START_TEST(test_a_missing_one_is_told_with_the_places)
{
    struct plugin *plugin = NULL;
    const char *const two[] = {place.directory, "/usr/lib/ackd", NULL};
    char places[PLACE_PATH * 2];
    snprintf(places, sizeof places, "%s/shop.so, /usr/lib/ackd/shop.so", place.directory);
    ck_assert_int_eq(plugin_load("shop", two, NULL, &plugin), ACKD_E_NOT_FOUND);
    ck_assert_msg(strstr(text(), places) != NULL, "%s", text());
    ck_assert_int_eq(plugin_load("/nowhere/shop.so", two, NULL, &plugin), ACKD_E_NOT_FOUND);
    ck_assert_int_eq(plugin_load("shop", NULL, NULL, &plugin), ACKD_E_NOT_FOUND);
}
END_TEST

START_TEST(test_another_major_version_is_refused_naming_both)
{
    char expected[PLACE_PATH * 2];
    place_put(&place, "foreign_major", "foreign_major", file);
    struct plugin *plugin = NULL;
    ck_assert_int_eq(plugin_load("foreign_major", path, NULL, &plugin), ACKD_E_PLUGIN);
    snprintf(expected, sizeof expected,
             "handler 'foreign_major' (%s) was built for ackd ABI %d.0, this is %d.%d: rebuild it "
             "against this version's headers",
             file, ACKD_ABI_MAJOR + 1, ACKD_ABI_MAJOR, ACKD_ABI_MINOR);
    ck_assert_str_eq(text(), expected);
}
END_TEST

START_TEST(test_an_older_descriptor_reads_as_zeros_where_it_ends)
{
    place_put(&place, "smaller", "smaller", file);
    const struct ackd_consumer *consumer = plugin_consumer(load("smaller", NULL));
    ck_assert_ptr_nonnull(consumer->handle);
    ck_assert_ptr_null(consumer->stop);
    ck_assert_ptr_null(consumer->run);
    ck_assert_uint_eq(consumer->options[0].size, 0);
}
END_TEST

START_TEST(test_a_newer_minor_version_is_taken_if_it_uses_nothing_new)
{
    place_put(&place, "newer", "newer", file);
    ck_assert_str_eq(plugin_consumer(load("newer", NULL))->name, "newer");
    refused("newer_needs", "uses what", "update ackd");
}
END_TEST

START_TEST(test_what_is_no_handler_is_refused_with_the_reason)
{
    refused("no_symbol", "has no symbol 'ackd_consumer'", "ACKD_CONSUMER");
    refused("tiny", "not made by ACKD_CONSUMER", "4");
    refused("no_handle", "no handle function", ".handle");
    refused("no_name", "no name", ".name");
    refused("bad_run", "run_failure", "7");
    refused("undefined", "cannot be loaded", "ackd_from_the_future");
    refused("bad_options", "option 'two'", "outside of state_size");
    refused("stack", "executable stack", "noexecstack");
}
END_TEST

START_TEST(test_a_failure_is_not_remembered)
{
    struct plugin *plugin = NULL;
    refused("no_handle", "no handle function", ".handle");
    place_put(&place, "good", "no_handle", file);
    ck_assert_int_eq(plugin_load("no_handle", path, place.cache, &plugin), ACKD_OK);
}
END_TEST

/* Whether this process maps a file whose path has @word in it. */
static bool mapped(const char *word)
{
    char line[1024];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        found = found || strstr(line, word) != NULL;
    fclose(maps);
    return found;
}

START_TEST(test_with_a_cache_a_copy_is_mapped_and_the_file_may_be_overwritten)
{
    char zeros[64] = {0};
    place_put(&place, "good", "shop", file);
    const struct ackd_consumer *consumer = plugin_consumer(load("shop", place.cache));
    ck_assert(!mapped(file));
    ck_assert(mapped(place.cache));
    ck_assert_int_eq(truncate(file, 0), 0);
    FILE *over = fopen(file, "w");
    ck_assert_uint_eq(fwrite(zeros, 1, sizeof zeros, over), sizeof zeros);
    fclose(over);
    ck_assert_int_eq(consumer->handle(NULL, &(const char *[]){"", "alive"}), ACKD_E_USER);
    ck_assert_str_eq(text(), "alive");
}
END_TEST

START_TEST(test_without_a_usable_cache_it_is_loaded_from_memory)
{
    struct plugin *plugin = NULL;
    place_put(&place, "good", "shop", file);
    ck_assert_int_eq(plugin_load("shop", path, "/proc/ackd-cannot-be-made", &plugin), ACKD_OK);
    ck_assert(!mapped(file));
    ck_assert(mapped("memfd:shop"));
    int fd =
        open("/dev/null", O_RDONLY | O_CLOEXEC); /* the descriptor of the copy is still taken */
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(plugin_consumer(plugin)->handle(NULL, &(const char *[]){"", "alive"}),
                     ACKD_E_USER);
}
END_TEST

START_TEST(test_without_a_cache_it_is_loaded_in_place)
{
    place_put(&place, "good", "shop", file);
    (void)load("shop", NULL);
    ck_assert(mapped(file));
}
END_TEST

struct seen {
    char names[256];
    int failed;
};

static void see(const char *name, const char *found, const struct plugin *plugin, void *arg)
{
    struct seen *seen = arg;
    ck_assert_ptr_nonnull(strstr(found, name));
    strcat(strcat(seen->names, name), " ");
    seen->failed += plugin == NULL;
    if (plugin == NULL)
        ck_assert_ptr_nonnull(ackd_error_current());
}

START_TEST(test_each_visits_all_by_name_and_the_first_of_two)
{
    struct place other;
    struct seen seen = {0};
    place_init(&other);
    place_put(&place, "good", "b", file);
    place_put(&place, "newer", "a", file);
    place_write(&place, "c.so", "text", 4, file);
    place_write(&place, "README", "text", 4, file);
    place_put(&other, "no_handle", "a", file);
    place_put(&other, "smaller", "d", file);
    const char *const both[] = {place.directory, "/nowhere", other.directory, NULL};
    plugin_each(both, see, &seen);
    ck_assert_str_eq(seen.names, "a b c d ");
    ck_assert_int_eq(seen.failed, 1);
    place_fini(&other);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plugin/plugin");
    TCase *tc = tcase_create("plugin");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_a_good_handler_is_loaded_and_can_be_called);
    tcase_add_test(tc, test_the_same_name_is_the_same_plugin);
    tcase_add_test(tc, test_a_link_is_followed_to_the_file_it_means);
    tcase_add_test(tc, test_a_missing_one_is_told_with_the_places);
    tcase_add_test(tc, test_another_major_version_is_refused_naming_both);
    tcase_add_test(tc, test_an_older_descriptor_reads_as_zeros_where_it_ends);
    tcase_add_test(tc, test_a_newer_minor_version_is_taken_if_it_uses_nothing_new);
    tcase_add_test(tc, test_what_is_no_handler_is_refused_with_the_reason);
    tcase_add_test(tc, test_a_failure_is_not_remembered);
    tcase_add_test(tc, test_with_a_cache_a_copy_is_mapped_and_the_file_may_be_overwritten);
    tcase_add_test(tc, test_without_a_usable_cache_it_is_loaded_from_memory);
    tcase_add_test(tc, test_without_a_cache_it_is_loaded_in_place);
    tcase_add_test(tc, test_each_visits_all_by_name_and_the_first_of_two);
    suite_add_tcase(suite, tc);
    return suite;
}
