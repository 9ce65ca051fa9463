/* SPDX-License-Identifier: MIT */
/* figure - see there. It must not know what is measured. */
#include <config.h>

#include "figure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/timer.h"

enum { FIGURE_OTHERS_SIZE = 256, FIGURE_VALUES = 8 };

void figure_note(struct figure *figure, size_t contestant, double value)
{
    struct figure_contestant *noted = &figure->contestants[contestant];
    if (noted->count < FIGURE_ROUNDS)
        noted->rounds[noted->count++] = value;
}

static int figure_compare(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

double figure_median(const struct figure *figure, size_t contestant)
{
    struct figure_contestant sorted = figure->contestants[contestant];
    if (sorted.count == 0)
        return 0;
    qsort(sorted.rounds, sorted.count, sizeof sorted.rounds[0], figure_compare);
    return sorted.rounds[sorted.count / 2];
}

static double figure_times(const struct figure *figure, size_t contestant)
{
    double ours = figure_median(figure, 0);
    return ours > 0 ? figure_median(figure, contestant) / ours : 0;
}

static bool figure_has_target(const struct figure *figure)
{
    bool has = figure->at_most > 0;
    for (size_t i = 1; i < FIGURE_CONTESTANTS; i++)
        has = has || figure->contestants[i].times_least > 0;
    return has;
}

static bool figure_is_met(const struct figure *figure)
{
    if (figure->at_most > 0 && figure_median(figure, 0) > figure->at_most)
        return false;
    for (size_t i = 1; i < FIGURE_CONTESTANTS; i++) {
        if (figure_times(figure, i) < figure->contestants[i].times_least)
            return false;
    }
    return true;
}

static void figure_print(const struct figure *figure)
{
    char others[FIGURE_OTHERS_SIZE] = "", target[32] = "";
    size_t length = 0;
    for (size_t i = 1; i < FIGURE_CONTESTANTS; i++) {
        const struct figure_contestant *other = &figure->contestants[i];
        if (other->count == 0)
            continue;
        double times = figure_times(figure, i);
        length += (size_t)snprintf(others + length, sizeof others - length, "%s%s %.*f x",
                                   length == 0 ? "" : ", ", other->name, times < 10 ? 2 : 0, times);
        if (other->times_least > 0)
            length += (size_t)snprintf(others + length, sizeof others - length, " (>= %.2g)",
                                       other->times_least);
    }
    double got = figure_median(figure, 0);
    if (figure->at_most > 0)
        snprintf(target, sizeof target, "<= %.4g", figure->at_most);
    const char *verdict = "";
    if (figure_has_target(figure))
        verdict = figure_is_met(figure) ? "met" : "MISSED";
    printf("%-42s %9.*f %-4s %-10s %-7s %s\n", figure->what, got < 100 ? 1 : 0, got, figure->unit,
           target, verdict, others);
}

static void figure_print_json(const char *bench, const struct figure *figure)
{
    printf("{\"bench\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", \"got\": %.3f", bench,
           figure->what, figure->unit, figure_median(figure, 0));
    if (figure->at_most > 0)
        printf(", \"at_most\": %g", figure->at_most);
    printf(", \"others\": [");
    const char *comma = "";
    for (size_t i = 1; i < FIGURE_CONTESTANTS; i++) {
        const struct figure_contestant *other = &figure->contestants[i];
        if (other->count == 0)
            continue;
        printf("%s{\"name\": \"%s\", \"got\": %.3f, \"times\": %.3f", comma, other->name,
               figure_median(figure, i), figure_times(figure, i));
        if (other->times_least > 0)
            printf(", \"times_least\": %g", other->times_least);
        printf("}");
        comma = ", ";
    }
    printf("]");
    if (figure_has_target(figure))
        printf(", \"met\": %s", figure_is_met(figure) ? "true" : "false");
    printf("}\n");
}

void figure_print_all(const char *bench, const struct figure *figures, size_t count, bool json)
{
    if (!json)
        printf("%-42s %9s %-4s %-10s %-7s %s\n", bench, "got", "", "target", "",
               "others, in multiples of it");
    for (size_t i = 0; i < count; i++) {
        if (figures[i].contestants[0].count == 0)
            continue;
        if (json)
            figure_print_json(bench, &figures[i]);
        else
            figure_print(&figures[i]);
    }
}

bool figure_wants_json(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) {
        fprintf(stderr, "usage: %s [--json]\n", argv[0]);
        exit(64);
    }
    return json;
}

uint64_t figure_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct figure_memory figure_memory(void)
{
    struct figure_memory memory = {0};
    char line[512];
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            memory.bytes = strtoul(line + 6, NULL, 10) * 1024;
        if (strncmp(line, "VmPTE:", 6) == 0)
            memory.table_bytes = strtoul(line + 6, NULL, 10) * 1024;
    }
    if (file != NULL)
        fclose(file);
    file = fopen("/proc/self/maps", "re");
    for (int byte; file != NULL && (byte = getc(file)) != EOF;)
        memory.mappings += byte == '\n';
    if (file != NULL)
        fclose(file);
    return memory;
}

bool figure_apart(void (*run)(void *arg, double *ret_values), void *arg, double *ret_values,
                  size_t count)
{
    double values[FIGURE_VALUES] = {0};
    int ends[2], status;
    if (count > FIGURE_VALUES || pipe(ends) != 0)
        return false;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run(arg, values);
        ssize_t written = write(ends[1], values, sizeof values);
        _exit(written == (ssize_t)sizeof values ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[1]);
    bool whole = read(ends[0], values, sizeof values) == (ssize_t)sizeof values;
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || !whole)
        return false;
    memcpy(ret_values, values, count * sizeof values[0]);
    return true;
}
