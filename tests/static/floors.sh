#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# floors - the includes and calls of the tree are those that tests/static/floors.txt permits.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
cd "$top_srcdir" || exit 1
table=tests/static/floors.txt

sources() {
    find "$@" -type f \( -name '*.c' -o -name '*.h' -o -name '*.S' -o -name '*.def' \) | sort
}

# Prints FILE:LINE: for each house header that a file of src, or a unit test, may not include.
house_violations() {
    sources src tests/unit | xargs awk '
        FILENAME == table {
            if ($1 == "floor")
                for (i = 2; i <= NF; i++) may[$2, $i] = 1
            next
        }
        !/^[ \t]*#[ \t]*include[ \t]*"/ { next }
        {
            depth = split(FILENAME, part, "/")
            unit = part[1] == "tests"
            floor = unit ? part[3] : part[2]
            header = $0
            sub(/^[^"]*"/, "", header)
            sub(/".*/, "", header)
            slash = index(header, "/")
            if (slash == 0) {
                if (!unit) print FILENAME ":" FNR ": \"" header "\" is not written from src/"
                next
            }
            target = substr(header, 1, slash - 1)
            if (unit && depth < 4) next
            if (!unit && depth < 3) next
            if (!((floor, target) in may))
                print FILENAME ":" FNR ": " floor " may not include \"" header "\""
        }' table="$table" "$table"
}

# Prints the folders of src that the table does not know.
unknown_floors() {
    local folder
    for folder in src/*/; do
        folder=$(basename "$folder")
        ls src/"$folder"/*.[ch] >/dev/null 2>&1 || continue
        grep -q "^floor $folder\( \|\$\)" "$table" || echo "src/$folder is not in $table"
    done
}

# Prints FILE:LINE: for each system header that belongs elsewhere.
confined_violations() {
    sources include src consumers | xargs awk '
        FILENAME == table {
            if ($1 == "only") {
                rules++
                header[rules] = $2
                $1 = $2 = ""
                where[rules] = $0
            }
            next
        }
        !/^[ \t]*#[ \t]*include[ \t]*</ { next }
        {
            name = $0
            sub(/^[^<]*</, "", name)
            sub(/>.*/, "", name)
            for (i = 1; i <= rules; i++) {
                folder = header[i] ~ /\/$/
                if (folder ? index(name, header[i]) != 1 : name != header[i]) continue
                if (FILENAME ~ /^consumers\//) continue
                count = split(where[i], place, " ")
                good = 0
                for (j = 1; j <= count; j++)
                    if (FILENAME == place[j] || index(FILENAME, place[j] "/") == 1) good = 1
                if (!good) print FILENAME ":" FNR ": <" name "> belongs to" where[i]
            }
        }' table="$table" "$table"
}

# Prints FILE:LINE: for each call that belongs elsewhere. Comments and strings are left out.
call_violations() {
    sources src | xargs awk '
        FILENAME == table {
            if ($1 == "call") {
                rules++
                name[rules] = $2
                $1 = $2 = ""
                where[rules] = $0
            }
            next
        }
        FNR == 1 { comment = 0 }
        {
            text = $0
            gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
            gsub(/\/\*[^*]*\*\//, "", text)
            if (comment) {
                if (!sub(/^.*\*\//, "", text)) next
                comment = 0
            }
            if (sub(/\/\*.*$/, "", text)) comment = 1
            for (i = 1; i <= rules; i++) {
                if (text !~ "(^|[^A-Za-z0-9_.>])" name[i] "\\(") continue
                count = split(where[i], place, " ")
                good = 0
                for (j = 1; j <= count; j++)
                    if (index(FILENAME, place[j] "/") == 1) good = 1
                if (!good) print FILENAME ":" FNR ": " name[i] "() belongs to" where[i]
            }
        }' table="$table" "$table"
}

# Prints FILE:LINE: for each include of the public API, or of a handler, that an installed header
# does not offer.
public_violations() {
    sources include | xargs grep -n '#[[:space:]]*include[[:space:]]*"'
    sources consumers | xargs -r grep -n '#[[:space:]]*include[[:space:]]*"[^"]*/'
    sources include | xargs grep -n 'include <config\.h>'
}

tap_empty "every folder of src is a floor of the table" "$(unknown_floors)"
tap_empty "house headers are included downwards only" "$(house_violations)"
tap_empty "system headers stay on their floor" "$(confined_violations)"
tap_empty "the clock and randomness are read in io only" "$(call_violations)"
tap_empty "the public API and handlers include <ackd/...> only" "$(public_violations)"
tap_done
