/* SPDX-License-Identifier: MIT */
/*
 * replay - runs a fuzz target over its corpus and speaks TAP: what a fuzzer once found stays found.
 *
 * Without arguments the corpus is tests/fuzz/corpus/NAME, for a program fuzz_NAME. Arguments are
 * files to run instead. Built with --enable-fuzzing, the target is linked with libFuzzer in place
 * of this.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { PATH_SIZE = 1024, INPUT_MAX = 4 << 20 };

static int count;

static void replay_fail(const char *file, const char *why)
{
    printf("not ok %d - %s\n# %s\n", ++count, file, why);
}

static void replay_file(const char *file)
{
    FILE *stream = fopen(file, "rbe");
    if (stream == NULL) {
        replay_fail(file, strerror(errno));
        return;
    }
    /* Exactly as large as the input, so that a sanitizer sees the first byte beyond it. */
    uint8_t *buffer = malloc(INPUT_MAX);
    size_t size = buffer == NULL ? 0 : fread(buffer, 1, INPUT_MAX, stream);
    uint8_t *input = malloc(size == 0 ? 1 : size);
    fclose(stream);
    if (buffer == NULL || input == NULL) {
        replay_fail(file, "out of memory");
    } else {
        memcpy(input, buffer, size);
        LLVMFuzzerTestOneInput(input, size);
        printf("ok %d - %s\n", ++count, strrchr(file, '/') == NULL ? file : strrchr(file, '/') + 1);
    }
    fflush(stdout);
    free(buffer);
    free(input);
}

static int replay_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int entry_count = scandir(folder, &entries, replay_visible, alphasort);
    if (entry_count <= 0)
        replay_fail(folder, "there is no corpus");
    for (int i = 0; i < entry_count; i++) {
        char file[PATH_SIZE];
        snprintf(file, sizeof file, "%.700s/%.255s", folder, entries[i]->d_name);
        replay_file(file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    const char *name = strstr(program_invocation_short_name, "fuzz_");
    const char *source = getenv("top_srcdir");
    for (int i = 1; i < argc; i++)
        replay_file(argv[i]);
    if (argc == 1) {
        char folder[PATH_SIZE];
        snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source == NULL ? "." : source,
                 name == NULL ? "" : name + strlen("fuzz_"));
        replay_folder(folder);
    }
    printf("1..%d\n", count);
    return EXIT_SUCCESS;
}
