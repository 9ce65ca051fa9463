/* SPDX-License-Identifier: MIT */
/*
 * fuzz_config - a configuration file of any bytes is loaded or refused, and what was loaded can be
 * printed.
 */
#include <config.h>

#include <ackd/error.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char folder[] = "/tmp/ackd-fuzz-XXXXXX";
static char file[sizeof folder + sizeof "/ackd.yaml"];

static void remove_file(void)
{
    (void)unlink(file);
    (void)rmdir(folder);
}

static void prepare(void)
{
    if (file[0] != '\0')
        return;
    ackd_assert(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/ackd.yaml", folder);
    ackd_assert(atexit(remove_file) == 0);
}

static const char *environment(const char *name)
{
    return *name == 'A'   ? "a b/c$ {x}"
           : *name == 'B' ? ""
           : *name == 'C' ? "amqp://u:p@[::1]"
                          : NULL;
}

static void check_errors(const struct config_errors *errors)
{
    ackd_assert(errors->count > 0);
    for (size_t i = 0; i < errors->count; i++) {
        const char *line = errors->lines[i];
        ackd_assert(strncmp(line, folder, strlen(folder)) == 0 || strncmp(line, "and ", 4) == 0);
        for (; *line != '\0'; line++)
            ackd_assert((unsigned char)*line >= ' ');
    }
}

static void check_config(const struct config *config)
{
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    ackd_assert(memory != NULL);
    ackd_assert(config_dump(config, memory) == ACKD_OK);
    fclose(memory);
    ackd_assert(length > 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    prepare();
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ackd_assert(fd >= 0);
    ackd_assert(size == 0 || write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_load(file, environment, &config, &errors);
    if (code == ACKD_OK) {
        check_config(config);
    } else {
        ackd_assert(code == ACKD_E_CONFIG);
        ackd_assert(config == NULL);
        check_errors(&errors);
    }
    config_errors_free(&errors);
    config_unref(&config);
    return 0;
}
