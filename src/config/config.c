/* SPDX-License-Identifier: MIT */
/*
 * config - the snapshot: built from files, counted, let go.
 *
 * Files are read and merged into one tree of nodes, the tree is read by the table of options, and
 * what depends on more than one option is derived. At each step all that is wrong is gathered.
 */
#include <config.h>

#include "config/config.h"

#include <ackd/error.h>
#include <ackd/log.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "config/derive.h"
#include "config/document.h"
#include "config/effective.h"
#include "config/merge.h"
#include "config/schema.h"
#include "config/snapshot.h"
#include "config/source.h"

struct loading {
    struct config *config;
    struct findings findings;
    struct findings warnings;
    struct expand expand;
    struct node *root; /* of all files; NULL before the first */
};

static int config_no_memory(void)
{
    return ackd_fail(ACKD_E_NOMEM, "the configuration");
}

/* Add the file to the tree. */
static int config_read_file(struct loading *loading, const char *file)
{
    struct config *config = loading->config;
    struct place place = {.file = file, .order = (uint32_t)config->file_count};
    config->files[config->file_count].name = file;
    struct source source = {.bytes = NULL};
    int code = source_read(file, SOURCE_CONFIG_MAX, false, &source);
    if (code == ACKD_E_NOMEM)
        return code;
    if (code != ACKD_OK) {
        findings_add(&loading->findings, &place, "%s", ackd_error_text(ackd_error_current()));
        loading->findings.incomplete = true;
        return ACKD_OK;
    }
    config->files[config->file_count++].open_to_all = source.open_to_all;
    if (source.writable_by_all)
        findings_add(&loading->warnings, &place, "everybody may write to it: chmod o= it");
    struct node *root = NULL;
    code = document_parse(&config->arena, source.bytes, source.size, file, place.order,
                          &loading->findings, &root);
    source_free(&source);
    ACKD_TRY(code);
    if (loading->root == NULL)
        loading->root = root;
    else
        merge_nodes(loading->root, root, &loading->findings);
    return ACKD_OK;
}

static bool config_is_fragment(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > strlen(".yaml") &&
           strcmp(name + length - strlen(".yaml"), ".yaml") == 0;
}

static int config_compare_names(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The paths of the *.yaml in @directory, which may not exist. */
static int config_list(struct loading *loading, const char *directory, const char **files,
                       size_t *ret_count)
{
    struct place place = {.file = directory, .order = SNAPSHOT_FILES_MAX};
    size_t count = 0;
    DIR *stream = opendir(directory);
    if (stream == NULL && errno != ENOENT && errno != ENOTDIR)
        findings_add(&loading->findings, &place, "cannot be read: %s", strerror(errno));
    for (struct dirent *entry = NULL; stream != NULL && (entry = readdir(stream)) != NULL;) {
        if (!config_is_fragment(entry->d_name))
            continue;
        if (count == SNAPSHOT_FILES_MAX - 1) {
            findings_add(&loading->findings, &place, "holds more than %zu files", count);
            break;
        }
        size_t length = strlen(directory) + strlen(entry->d_name) + 1;
        char *file = arena_alloc_bytes(&loading->config->arena, length + 1);
        if (file == NULL) {
            (void)closedir(stream);
            return config_no_memory();
        }
        stpcpy(stpcpy(stpcpy(file, directory), "/"), entry->d_name);
        files[count++] = file;
    }
    if (stream != NULL)
        (void)closedir(stream);
    if (count > 0)
        qsort(files, count, sizeof *files, config_compare_names);
    *ret_count = count;
    return ACKD_OK;
}

static int config_read_files(struct loading *loading, const char *file)
{
    const char *files[SNAPSHOT_FILES_MAX];
    struct arena *arena = &loading->config->arena;
    const char *slash = strrchr(file, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash + 1 - file);
    char *main_file = arena_strndup(arena, file, strlen(file));
    char *directory = arena_alloc_bytes(arena, length + sizeof "conf.d");
    if (main_file == NULL || directory == NULL)
        return config_no_memory();
    memcpy(directory, file, length);
    strcpy(directory + length, "conf.d");
    ACKD_TRY(config_read_file(loading, main_file));
    size_t count = 0;
    ACKD_TRY(config_list(loading, directory, files, &count));
    for (size_t i = 0; i < count; i++)
        ACKD_TRY(config_read_file(loading, files[i]));
    return ACKD_OK;
}

static bool config_is_name(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    return *name != '\0' && strlen(name) <= 64 && name[strspn(name, letters)] == '\0';
}

/* One broker or consumer by name, or alone with name NULL. */
static int config_read_section(struct loading *loading, struct section *section,
                               enum options_section kind, const char *name, void *values,
                               struct node *node)
{
    ACKD_TRY(section_init(section, &loading->config->arena, kind, name, values));
    section->place = (struct place){.file = loading->config->files[0].name};
    if (node == NULL)
        return ACKD_OK;
    section->node = node;
    section->place = node->key_place;
    if (name != NULL && !config_is_name(name)) {
        char quote[FINDINGS_QUOTE_SIZE];
        findings_add(&loading->findings, &node->key_place,
                     "'%s' is no name: write up to 64 letters, digits, '.', '_' and '-'",
                     findings_quote(name, quote));
    }
    return section_read(section, &loading->expand, kind, node);
}

/* The entries of the map from names to sections; 0 where there is none. */
static size_t config_count_names(struct loading *loading, const struct node *map)
{
    if (map == NULL || map->kind == NODE_EMPTY)
        return 0;
    if (map->kind != NODE_MAP) {
        findings_add(&loading->findings, &map->place, "'%s' is %s, but takes a map of names",
                     map->key, node_kind_name(map->kind));
        return 0;
    }
    return map->count;
}

static void *config_array(struct loading *loading, size_t count, size_t size)
{
    ackd_assert(count <= SNAPSHOT_SECTIONS_MAX);
    void *array = arena_alloc(&loading->config->arena, (count + 1) * size);
    if (array != NULL)
        memset(array, 0, (count + 1) * size);
    return array;
}

static int config_read_brokers(struct loading *loading, struct node *single, struct node *map)
{
    struct config *config = loading->config;
    size_t named = config_count_names(loading, map);
    if (single != NULL && map != NULL)
        findings_add(&loading->findings, &map->key_place,
                     "'brokers' and 'broker' (at %s:%d) exclude each other: name that one here",
                     single->key_place.file, single->key_place.line);
    config->broker_count = named == 0 ? 1 : named;
    config->brokers = config_array(loading, config->broker_count, sizeof *config->brokers);
    config->broker_sections =
        config_array(loading, config->broker_count, sizeof *config->broker_sections);
    struct options_broker *values = config_array(loading, config->broker_count, sizeof *values);
    if (config->brokers == NULL || config->broker_sections == NULL || values == NULL)
        return config_no_memory();
    if (named == 0)
        return config_read_section(loading, &config->broker_sections[0], OPTIONS_BROKER, NULL,
                                   values, single);
    size_t i = 0;
    for (struct node *child = map->children; child != NULL; child = child->next, i++)
        ACKD_TRY(config_read_section(loading, &config->broker_sections[i], OPTIONS_BROKER,
                                     child->key, &values[i], child));
    return ACKD_OK;
}

static int config_read_limits(struct loading *loading, struct node *map)
{
    struct config *config = loading->config;
    size_t count = config_count_names(loading, map);
    config->limit_count = count;
    config->limits = config_array(loading, count, sizeof *config->limits);
    config->limit_sections = config_array(loading, count, sizeof *config->limit_sections);
    if (config->limits == NULL || config->limit_sections == NULL)
        return config_no_memory();
    size_t i = 0;
    for (struct node *child = count == 0 ? NULL : map->children; child != NULL;
         child = child->next, i++)
        ACKD_TRY(config_read_section(loading, &config->limit_sections[i], OPTIONS_LIMIT, child->key,
                                     &config->limits[i], child));
    return ACKD_OK;
}

static int config_read_consumers(struct loading *loading, struct node *map)
{
    struct config *config = loading->config;
    size_t count = config_count_names(loading, map);
    config->consumer_count = count;
    config->consumers = config_array(loading, count, sizeof *config->consumers);
    config->consumer_sections = config_array(loading, count, sizeof *config->consumer_sections);
    struct options_consumer *values = config_array(loading, count, sizeof *values);
    if (config->consumers == NULL || config->consumer_sections == NULL || values == NULL)
        return config_no_memory();
    size_t i = 0;
    for (struct node *child = count == 0 ? NULL : map->children; child != NULL;
         child = child->next, i++)
        ACKD_TRY(config_read_section(loading, &config->consumer_sections[i], OPTIONS_CONSUMER,
                                     child->key, &values[i], child));
    return ACKD_OK;
}

static void config_unknown(struct loading *loading, const struct node *node)
{
    char quote[FINDINGS_QUOTE_SIZE];
    findings_quote(node->key, quote);
    const struct options_section_row *elsewhere = options_elsewhere(node->key);
    const char *nearest = options_nearest(OPTIONS_ROOT, node->key);
    if (elsewhere != NULL)
        findings_add(&loading->findings, &node->key_place,
                     "unknown option '%s' (it belongs below '%s')", quote,
                     elsewhere->key != NULL ? elsewhere->key : elsewhere->names);
    else if (nearest != NULL)
        findings_add(&loading->findings, &node->key_place,
                     "unknown option '%s' (did you mean '%s'?)", quote, nearest);
    else
        findings_add(&loading->findings, &node->key_place, "unknown option '%s'", quote);
}

/* Read the tree by the table. */
static int config_read_tree(struct loading *loading)
{
    struct config *config = loading->config;
    struct node *broker = NULL, *brokers = NULL, *limits = NULL, *consumers = NULL;
    ACKD_TRY(section_init(&config->process_section, &config->arena, OPTIONS_ROOT, NULL,
                          &config->process));
    config->process_section.place = (struct place){.file = config->files[0].name};
    struct node *child = loading->root == NULL ? NULL : loading->root->children;
    for (; child != NULL; child = child->next) {
        const struct options_section_row *section = options_inner(OPTIONS_ROOT, child->key);
        if (strcmp(child->key, "brokers") == 0)
            brokers = child;
        else if (strcmp(child->key, "limits") == 0)
            limits = child;
        else if (strcmp(child->key, "consumers") == 0)
            consumers = child;
        else if (section != NULL && section->section == OPTIONS_BROKER)
            broker = child;
        else if (section != NULL)
            ACKD_TRY(
                section_read(&config->process_section, &loading->expand, section->section, child));
        else
            config_unknown(loading, child);
    }
    ACKD_TRY(config_read_brokers(loading, broker, brokers));
    ACKD_TRY(config_read_limits(loading, limits));
    return config_read_consumers(loading, consumers);
}

static int config_derive(struct loading *loading)
{
    struct config *config = loading->config;
    struct derive derive = {
        .config = config, .findings = &loading->findings, .warnings = &loading->warnings};
    if (loading->expand.getenv_fn != NULL)
        derive.cache_directory = loading->expand.getenv_fn("CACHE_DIRECTORY");
    if (loading->expand.getenv_fn != NULL)
        derive.state_directory = loading->expand.getenv_fn("STATE_DIRECTORY");
    ACKD_TRY(derive_process(&derive));
    for (size_t i = 0; i < config->broker_count; i++)
        ACKD_TRY(derive_broker(&derive, &config->broker_sections[i], &config->brokers[i]));
    for (size_t i = 0; i < config->limit_count; i++)
        derive_limit(&derive, &config->limit_sections[i], &config->limits[i]);
    for (size_t i = 0; i < config->consumer_count; i++)
        ACKD_TRY(derive_consumer(&derive, &config->consumer_sections[i], &config->consumers[i]));
    return ACKD_OK;
}

static int config_keep_warnings(struct loading *loading)
{
    struct config_errors lines = {.lines = NULL};
    ACKD_TRY(findings_take(&loading->warnings, &lines));
    const char **kept = arena_alloc(&loading->config->arena, (lines.count + 1) * sizeof *kept);
    bool complete = kept != NULL;
    for (size_t i = 0; complete && i < lines.count; i++) {
        kept[i] = arena_strndup(&loading->config->arena, lines.lines[i], strlen(lines.lines[i]));
        complete = kept[i] != NULL;
    }
    if (complete)
        kept[lines.count] = NULL;
    config_errors_free(&lines);
    loading->config->warnings = kept;
    return complete ? ACKD_OK : config_no_memory();
}

static int config_build(struct loading *loading, const char *file, struct config_errors *ret_errors)
{
    ACKD_TRY(config_read_files(loading, file));
    ACKD_TRY(config_read_tree(loading));
    ACKD_TRY(config_derive(loading));
    ACKD_TRY(config_keep_warnings(loading));
    if (!findings_any(&loading->findings))
        return ACKD_OK;
    ACKD_TRY(findings_take(&loading->findings, ret_errors));
    return ackd_fail(ACKD_E_CONFIG, "%s: %zu %s", file, ret_errors->count,
                     ret_errors->count == 1 ? "error" : "errors");
}

int config_load(const char *file, const char *(*getenv_fn)(const char *name),
                struct config **ret_config, struct config_errors *ret_errors)
{
    ackd_assert(file != NULL);
    *ret_errors = (struct config_errors){.lines = NULL};
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return config_no_memory();
    config->magic = SNAPSHOT_MAGIC;
    atomic_init(&config->references, 1);
    arena_init(&config->arena, NULL, 0);
    struct loading loading = {.config = config};
    findings_init(&loading.findings);
    findings_init(&loading.warnings);
    loading.warnings.warnings = true;
    loading.expand = (struct expand){
        .arena = &config->arena, .findings = &loading.findings, .getenv_fn = getenv_fn};
    int code = config_build(&loading, file, ret_errors);
    findings_fini(&loading.findings);
    findings_fini(&loading.warnings);
    if (code != ACKD_OK) {
        config_unref(&config);
        return code;
    }
    *ret_config = config;
    return ACKD_OK;
}

struct config *config_ref(struct config *config)
{
    ackd_assert(config != NULL);
    ackd_assert(config->magic == SNAPSHOT_MAGIC);
    atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config **config)
{
    struct config *gone = *config;
    *config = NULL;
    if (gone == NULL)
        return;
    ackd_assert(gone->magic == SNAPSHOT_MAGIC);
    if (atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_wipe(&gone->arena); /* N2 */
    gone->magic = 0;
    free(gone);
}

void config_errors_free(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->lines[i]);
    free(errors->lines);
    *errors = (struct config_errors){.lines = NULL};
}

const struct config_broker *config_brokers(const struct config *config, size_t *ret_count)
{
    *ret_count = config->broker_count;
    return config->brokers;
}

const struct config_consumer *config_consumers(const struct config *config, size_t *ret_count)
{
    *ret_count = config->consumer_count;
    return config->consumers;
}

const struct config_limit *config_limits(const struct config *config, size_t *ret_count)
{
    *ret_count = config->limit_count;
    return config->limits;
}

uint32_t config_loops(const struct config *config)
{
    return config->process.loops;
}

uint64_t config_stack_size(const struct config *config)
{
    return config->process.stack_size;
}

int config_stack_guard(const struct config *config)
{
    return config->process.stack_guard;
}

uint32_t config_tasks_max(const struct config *config)
{
    return config->process.tasks_max;
}

uint32_t config_publishes_max(const struct config *config)
{
    return config->process.publishes_max;
}

uint64_t config_publish_buffer(const struct config *config)
{
    return config->process.publish_buffer;
}

bool config_unobserved_fails(const struct config *config)
{
    return config->process.unobserved == 1;
}

uint64_t config_buffer(const struct config *config)
{
    return config->process.buffer;
}

uint64_t config_slots(const struct config_consumer *consumer)
{
    return (uint64_t)consumer->concurrency * (consumer->batch_size == 0 ? 1 : consumer->batch_size);
}

uint32_t config_cpu_threads(const struct config *config)
{
    return config->process.cpu_threads;
}

uint32_t config_cpu_queue(const struct config *config)
{
    return config->process.cpu_queue;
}

int config_blocking(const struct config *config)
{
    return config->process.blocking;
}

void config_stall(const struct config *config, struct config_stall *ret_stall)
{
    *ret_stall = (struct config_stall){.warn_ms = config->process.stall_warn_ms,
                                       .error_ms = config->process.stall_error_ms,
                                       .abort_ms = config->process.stall_abort_ms,
                                       .signal = config->process.stall_signal};
}

uint64_t config_shutdown_ms(const struct config *config)
{
    return config->process.shutdown_ms;
}

uint32_t config_shutdown_soft_percent(const struct config *config)
{
    return config->process.shutdown_soft;
}

int config_log_level(const struct config *config)
{
    /* The words stand in the order of syslog's numbers, from error on. */
    return config->process.log_level + ACKD_LOG_ERROR;
}

int config_log_format(const struct config *config)
{
    return config->process.log_format;
}

const char *const *config_plugin_path(const struct config *config)
{
    return config->process.plugin_path;
}

const char *config_state_directory(const struct config *config)
{
    return config->process.state_directory;
}

const char *config_cache_directory(const struct config *config)
{
    return config->process.plugin_cache;
}

const char *const *config_warnings(const struct config *config)
{
    return config->warnings;
}

int config_dump_with(const struct config *config,
                     bool (*is_secret)(const struct config_consumer *consumer, const char *key,
                                       void *arg),
                     void *arg, FILE *out)
{
    ackd_assert(config->magic == SNAPSHOT_MAGIC);
    const struct effective effective = {
        .config = config, .is_secret = is_secret, .arg = arg, .out = out};
    return effective_write(&effective);
}

int config_dump(const struct config *config, FILE *out)
{
    return config_dump_with(config, NULL, NULL, out);
}

int config_schema(FILE *out)
{
    return schema_write(out);
}
