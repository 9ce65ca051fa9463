/* SPDX-License-Identifier: MIT */
/* fixture - a folder of configuration files for each test. */
#include <config.h>

#include "fixture.h"

#include <ackd/error.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main.h"

enum { FIXTURE_VARIABLES_MAX = 8 };

static char fixture_path[64];
static int fixture_before = -1; /* the folder that was current */
static struct {
    const char *name;
    const char *value;
} fixture_variables[FIXTURE_VARIABLES_MAX];
static size_t fixture_variable_count;

void fixture_setup(void)
{
    strcpy(fixture_path, "/tmp/ackd-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture_path));
    fixture_before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fixture_before, 0);
    ck_assert_int_eq(chdir(fixture_path), 0);
    fixture_variable_count = 0;
}

static int fixture_remove(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_teardown(void)
{
    ck_assert_int_eq(fchdir(fixture_before), 0);
    close(fixture_before);
    nftw(fixture_path, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
}

void fixture_write_bytes(const char *name, const char *bytes, size_t size)
{
    FILE *file = fopen(name, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    fixture_mode(name, 0600);
}

void fixture_write(const char *name, const char *text)
{
    fixture_write_bytes(name, text, strlen(text));
}

void fixture_folder(const char *name)
{
    ck_assert_int_eq(mkdir(name, 0700), 0);
}

void fixture_mode(const char *name, mode_t mode)
{
    ck_assert_int_eq(chmod(name, mode), 0);
}

void fixture_setenv(const char *name, const char *value)
{
    ck_assert_uint_lt(fixture_variable_count, FIXTURE_VARIABLES_MAX);
    fixture_variables[fixture_variable_count].name = name;
    fixture_variables[fixture_variable_count++].value = value;
}

static const char *fixture_getenv(const char *name)
{
    for (size_t i = fixture_variable_count; i > 0; i--) {
        if (strcmp(fixture_variables[i - 1].name, name) == 0)
            return fixture_variables[i - 1].value;
    }
    return NULL;
}

static char *fixture_join(const struct config_errors *errors)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    for (size_t i = 0; i < errors->count; i++)
        fprintf(memory, "%s\n", errors->lines[i]);
    fclose(memory);
    return text;
}

struct config *fixture_load(void)
{
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_load("ackd.yaml", fixture_getenv, &config, &errors);
    char *lines = fixture_join(&errors);
    ck_assert_str_eq(lines, "");
    ck_assert_int_eq(code, ACKD_OK);
    free(lines);
    config_errors_free(&errors);
    return config;
}

struct config *fixture_good(const char *text)
{
    fixture_write("ackd.yaml", text);
    return fixture_load();
}

void fixture_errors(const char *expected)
{
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_load("ackd.yaml", fixture_getenv, &config, &errors);
    char *lines = fixture_join(&errors);
    ck_assert_str_eq(lines, expected);
    ck_assert_int_eq(code, ACKD_E_CONFIG);
    ck_assert_ptr_null(config);
    free(lines);
    config_errors_free(&errors);
}

void fixture_bad(const char *text, const char *lines)
{
    fixture_write("ackd.yaml", text);
    fixture_errors(lines);
}

char *fixture_dump(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    ck_assert_int_eq(config_dump(config, memory), ACKD_OK);
    fclose(memory);
    return text;
}
