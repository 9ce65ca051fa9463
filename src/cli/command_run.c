/* SPDX-License-Identifier: MIT */
/* command run - the daemon, in the foreground, as systemd wants it. */
#include <config.h>

#include <ackd/error.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "host/host.h"
#include "host/report.h"
#include "io/logsink.h"
#include "io/system.h"

/* With the configuration and the log in place. */
static int command_run_host(struct config *config)
{
    struct host *host = NULL;
    if (host_new(config, &host) != ACKD_OK) {
        char text[1024];
        int code = ackd_error_code(ackd_error_current());
        report_error_line(ackd_error_current(), text, sizeof text);
        ackd_log_error("start-failed", "%s", text);
        return code == ACKD_E_INTERNAL || code == ACKD_E_NOMEM ? COMMAND_INTERNAL : COMMAND_CONFIG;
    }
    int status = host_run(host);
    if (status != HOST_EXIT_OK) {
        /* A loop may still run: no destructor may pull its memory away, and its programs would
         * outlive it. */
        process_kill_all();
        logsink_close();
        _exit(status);
    }
    host_free(&host);
    return status;
}

int command_run(int argc, char **argv)
{
    const char *file = NULL;
    struct config *config = NULL;
    system_prepare();
    int status = command_only_file(argc, argv, &file);
    if (status == COMMAND_OK)
        status = command_load_config(argv[0], file, &config);
    if (status != COMMAND_OK)
        return status;
    log_set_level((enum ackd_log_level)config_log_level(config));
    if (logsink_open((enum logsink_format)config_log_format(config)) != ACKD_OK) {
        command_complain(argv[0]);
        config_unref(&config);
        return COMMAND_CONFIG;
    }
    ackd_log_info("starting", "ackd %s, configuration %s", PACKAGE_VERSION, file);
    status = command_run_host(config);
    config_unref(&config);
    logsink_close();
    return status;
}
