/* SPDX-License-Identifier: MIT */
/* symbol - by the dynamic linker for modules, by libdw for lines. It must not know who asks. */
#include <config.h>

#include "io/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LIBDW
#include <elfutils/libdwfl.h>
#endif

/* One caller at a time: libdw is not for several threads. */
static pthread_mutex_t symbol_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *symbol_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* What lies between a handler and the kernel. */
static bool symbol_is_below(const char *module)
{
    static const char *const prefixes[] = {
        "libc.so",      "libpthread.so", "ld-linux",    "linux-vdso", "libackd.so",   "libackd-",
        "libuv.so",     "libgcc_s.so",   "libasan.so",  "libtsan.so", "libubsan.so",  "librt.so",
        "libstdc++.so", "ld64.so",       "libc.musl-x", "ld-musl-",   "libclang_rt.", "ld.so"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(module, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return module[0] == '\0';
}

struct symbol_search {
    uintptr_t address;
    struct symbol *symbol;
};

static void symbol_read_notes(const char *at, size_t size, struct symbol *symbol)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        size_t name_size = (note.n_namesz + 3u) & ~(size_t)3;
        size_t whole = sizeof note + name_size + ((note.n_descsz + 3u) & ~(size_t)3);
        if (whole > size)
            return;
        const unsigned char *id = (const unsigned char *)at + sizeof note + name_size;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(at + sizeof note, "GNU", 4) == 0) {
            for (size_t i = 0; i < note.n_descsz && 2 * i + 2 < sizeof symbol->build_id; i++)
                snprintf(symbol->build_id + 2 * i, 3, "%02x", id[i]);
            return;
        }
        at += whole;
        size -= whole;
    }
}

static bool symbol_contains(const struct dl_phdr_info *info, uintptr_t address)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD &&
            address - info->dlpi_addr - header->p_vaddr < header->p_memsz)
            return true;
    }
    return false;
}

static int symbol_visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct symbol_search *search = arg;
    (void)size;
    if (!symbol_contains(info, search->address))
        return 0;
    struct symbol *symbol = search->symbol;
    symbol->offset = search->address - info->dlpi_addr;
    char own[256] = "";
    const char *path = info->dlpi_name;
    if (path[0] == '\0') {
        /* The program itself. */
        ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
        own[length > 0 ? length : 0] = '\0';
        path = own;
    }
    snprintf(symbol->module, sizeof symbol->module, "%s", symbol_base_name(path));
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_NOTE && symbol->build_id[0] == '\0')
            symbol_read_notes((const char *)(info->dlpi_addr + header->p_vaddr), header->p_memsz,
                              symbol);
    }
    return 1;
}

#ifdef HAVE_LIBDW

/* What is used of libdw, by its own names. */
#define SYMBOL_LIBDW(ENTRY)         \
    ENTRY(dwfl_begin)               \
    ENTRY(dwfl_end)                 \
    ENTRY(dwfl_linux_proc_report)   \
    ENTRY(dwfl_report_end)          \
    ENTRY(dwfl_addrmodule)          \
    ENTRY(dwfl_module_addrname)     \
    ENTRY(dwfl_module_getsrc)       \
    ENTRY(dwfl_lineinfo)            \
    ENTRY(dwfl_linux_proc_find_elf) \
    ENTRY(dwfl_build_id_find_debuginfo)

static struct {
    bool tried, there;
    Dwfl *session; /* NULL: none is open */
#define SYMBOL_MEMBER(name) __typeof__(name) *name;
    SYMBOL_LIBDW(SYMBOL_MEMBER)
#undef SYMBOL_MEMBER
} symbol_libdw;

/* Debug files of this machine only: the usual call would ask servers for what is not here. */
static Dwfl_Callbacks symbol_callbacks;

static bool symbol_open_libdw(void)
{
    if (symbol_libdw.tried)
        return symbol_libdw.there;
    symbol_libdw.tried = true;
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return false;
    symbol_libdw.there = true;
#define SYMBOL_LOAD(name)                                 \
    *(void **)&symbol_libdw.name = dlsym(library, #name); \
    symbol_libdw.there &= symbol_libdw.name != NULL;
    SYMBOL_LIBDW(SYMBOL_LOAD)
#undef SYMBOL_LOAD
    symbol_callbacks.find_elf = symbol_libdw.dwfl_linux_proc_find_elf;
    symbol_callbacks.find_debuginfo = symbol_libdw.dwfl_build_id_find_debuginfo;
    return symbol_libdw.there;
}

static bool symbol_open_session(void)
{
    if (symbol_libdw.session != NULL)
        return true;
    if (!symbol_open_libdw())
        return false;
    Dwfl *session = symbol_libdw.dwfl_begin(&symbol_callbacks);
    if (session == NULL)
        return false;
    if (symbol_libdw.dwfl_linux_proc_report(session, getpid()) != 0 ||
        symbol_libdw.dwfl_report_end(session, NULL, NULL) != 0) {
        symbol_libdw.dwfl_end(session);
        return false;
    }
    symbol_libdw.session = session;
    return true;
}

static void symbol_close_session(void)
{
    if (symbol_libdw.session != NULL)
        symbol_libdw.dwfl_end(symbol_libdw.session);
    symbol_libdw.session = NULL;
}

static Dwfl_Module *symbol_module(uintptr_t address)
{
    if (!symbol_open_session())
        return NULL;
    Dwfl_Module *module = symbol_libdw.dwfl_addrmodule(symbol_libdw.session, address);
    if (module != NULL)
        return module;
    /* It may have been loaded since. */
    symbol_close_session();
    return symbol_open_session() ? symbol_libdw.dwfl_addrmodule(symbol_libdw.session, address)
                                 : NULL;
}

static void symbol_find_source(uintptr_t address, struct symbol *symbol)
{
    Dwfl_Module *module = symbol_module(address);
    if (module == NULL)
        return;
    const char *function = symbol_libdw.dwfl_module_addrname(module, address);
    if (function != NULL)
        snprintf(symbol->function, sizeof symbol->function, "%s", function);
    Dwfl_Line *line = symbol_libdw.dwfl_module_getsrc(module, address);
    if (line == NULL)
        return;
    const char *file = symbol_libdw.dwfl_lineinfo(line, NULL, &symbol->line, NULL, NULL, NULL);
    if (file != NULL)
        snprintf(symbol->file, sizeof symbol->file, "%s", file);
}

#else

static void symbol_close_session(void)
{
}

static void symbol_find_source(uintptr_t address, struct symbol *symbol)
{
    (void)address;
    (void)symbol;
}

#endif

void symbol_find(const void *address, bool exact, struct symbol *ret_symbol)
{
    *ret_symbol = (struct symbol){.offset = (uintptr_t)address};
    /* The call is before what it returns to, which may be another line or another function. */
    uintptr_t at = (uintptr_t)address - (exact ? 0 : 1);
    struct symbol_search search = {.address = at, .symbol = ret_symbol};
    (void)dl_iterate_phdr(symbol_visit, &search);
    ret_symbol->below = symbol_is_below(ret_symbol->module);
    pthread_mutex_lock(&symbol_lock);
    symbol_find_source(at, ret_symbol);
    pthread_mutex_unlock(&symbol_lock);
    Dl_info info;
    if (ret_symbol->function[0] == '\0' && dladdr((const void *)at, &info) != 0 &&
        info.dli_sname != NULL)
        snprintf(ret_symbol->function, sizeof ret_symbol->function, "%s", info.dli_sname);
}

/* What snprintf returned, cut to what fits. */
static size_t symbol_fit(int length, size_t size)
{
    if (length < 0)
        return 0;
    return (size_t)length < size ? (size_t)length : size - 1;
}

size_t symbol_format(const struct symbol *symbol, char *text, size_t size)
{
    bool named = symbol->function[0] != '\0';
    if (named && symbol->file[0] != '\0')
        return symbol_fit(snprintf(text, size, "%s (%s:%d)", symbol->function,
                                   symbol_base_name(symbol->file), symbol->line),
                          size);
    return symbol_fit(snprintf(text, size, "%s%s%s+0x%llx%s", symbol->function, named ? " (" : "",
                               symbol->module, (unsigned long long)symbol->offset,
                               named ? ")" : ""),
                      size);
}

size_t symbol_format_place(const struct symbol *symbol, char *text, size_t size)
{
    if (symbol->file[0] != '\0')
        return symbol_fit(
            snprintf(text, size, "%s:%d", symbol_base_name(symbol->file), symbol->line), size);
    return symbol_fit(snprintf(text, size, "%s+0x%llx [%s]", symbol->module,
                               (unsigned long long)symbol->offset,
                               symbol->build_id[0] == '\0' ? "no build id" : symbol->build_id),
                      size);
}

void symbol_forget(void)
{
    pthread_mutex_lock(&symbol_lock);
    symbol_close_session();
    pthread_mutex_unlock(&symbol_lock);
}
