/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/schema.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/options.h"
#include "main.h"

static char *schema_text(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    ck_assert_int_eq(schema_write(memory), 0);
    fclose(memory);
    return text;
}

START_TEST(test_the_schema_is_json)
{
    /* JSON is YAML in flow style: that the parser takes it, and that no key stands outside of
     * quotes, is what is looked at here. */
    char *text = schema_text();
    yaml_parser_t parser;
    yaml_document_t document;
    ck_assert(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    ck_assert(yaml_parser_load(&parser, &document));
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    ck_assert_int_eq(root->type, YAML_MAPPING_NODE);
    for (yaml_node_t *node = document.nodes.start; node < document.nodes.top; node++) {
        if (node->type == YAML_MAPPING_NODE)
            ck_assert_int_eq(node->data.mapping.style, YAML_FLOW_MAPPING_STYLE);
        if (node->type == YAML_SEQUENCE_NODE)
            ck_assert_int_eq(node->data.sequence.style, YAML_FLOW_SEQUENCE_STYLE);
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    free(text);
}
END_TEST

START_TEST(test_every_option_is_in_the_schema)
{
    char *text = schema_text();
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char key[128];
        snprintf(key, sizeof key, "\"%s\": {\"description\": ", rows[i].key);
        ck_assert_msg(strstr(text, key) != NULL, "no %s", rows[i].key);
    }
    const struct options_section_row *sections = options_sections(&count);
    for (size_t i = 0; i < count; i++) {
        char key[128];
        snprintf(key, sizeof key, "\"%s\": {\n",
                 sections[i].key != NULL ? sections[i].key : sections[i].names);
        ck_assert_msg(strstr(text, key) != NULL, "no %s", key);
    }
    free(text);
}
END_TEST

START_TEST(test_bounds_and_defaults_are_told)
{
    char *text = schema_text();
    ck_assert_ptr_nonnull(strstr(text, "\"default\": 16, \"anyOf\": [{\"type\": \"integer\", "
                                       "\"minimum\": 1, \"maximum\": 65535}"));
    ck_assert_ptr_nonnull(strstr(text, "\"default\": \"15s\""));
    ck_assert_ptr_nonnull(strstr(text, "{\"enum\": [true, \"true\", \"off-insecure\"]}"));
    ck_assert_ptr_nonnull(strstr(text, "\"required\": [\"queue\", \"handler\"]"));
    ck_assert_ptr_nonnull(strstr(text, "\"writeOnly\": true"));
    ck_assert_ptr_null(strstr(text, "guest\""));
    free(text);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/schema");
    TCase *tc = tcase_create("schema");
    tcase_add_test(tc, test_the_schema_is_json);
    tcase_add_test(tc, test_every_option_is_in_the_schema);
    tcase_add_test(tc, test_bounds_and_defaults_are_told);
    suite_add_tcase(suite, tc);
    return suite;
}
