/* SPDX-License-Identifier: MIT */
/* authority - runs openssl(1). It must not know which certificate a test wants to be wrong. */
#include <config.h>

#include "authority.h"

#include <stdio.h>
#include <stdlib.h>

static char authority_folder[256];

static const char authority_script[] =
    "set -e; cd '%s'; exec >log 2>&1\n"
    "new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
    "root() { openssl req -x509 $new -keyout $1.key -out $1.pem -subj /CN=$1 -days 2 -addext $2; "
    "}\n"
    "signed() {\n"
    "    openssl req $new -keyout $1.key -out $1.csr -subj /CN=$1 -addext subjectAltName=$2\n"
    "    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $3 \\\n"
    "        -copy_extensions copy -out $1.pem\n"
    "}\n"
    "root ca keyUsage=keyCertSign\n"
    "root other keyUsage=keyCertSign\n"
    "root alone subjectAltName=DNS:localhost,IP:127.0.0.1\n"
    "signed right DNS:localhost,IP:127.0.0.1 2\n"
    "signed name DNS:rabbit.invalid,IP:192.0.2.1 2\n"
    "signed expired DNS:localhost,IP:127.0.0.1 -1\n"
    "signed client DNS:client.invalid 2\n"
    "openssl ec -in client.key -aes128 -passout pass:secret -out locked.key\n";

bool authority_make(void)
{
    const char *root = getenv("TMPDIR");
    snprintf(authority_folder, sizeof authority_folder, "%s/ackd-tls-XXXXXX",
             root == NULL ? "/tmp" : root);
    if (mkdtemp(authority_folder) == NULL)
        return false;
    char command[2048];
    snprintf(command, sizeof command, authority_script, authority_folder);
    return system(command) == 0;
}

void authority_remove(void)
{
    char command[320];
    snprintf(command, sizeof command, "rm -rf '%s'", authority_folder);
    (void)!system(command);
}

const char *authority_file(const char *name)
{
    static char paths[8][320];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", authority_folder, name);
    return path;
}
