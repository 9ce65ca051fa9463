/* SPDX-License-Identifier: MIT */
/* What each close by the broker leads to: a case for each row of the table, in the broker's words. */
#include <config.h>

#include "broker/closing.h"

#include <ackd/error.h>
#include <string.h>

#include "main.h"

static const struct closing_case {
    enum closing_scope scope;
    uint16_t code;
    const char *text; /* as RabbitMQ 3.10.8 says it */
    enum closing_act act;
    int error;
} cases[] = {
    {CLOSING_CONNECTION, 320, "CONNECTION_FORCED - user 'u1' is deleted", CLOSING_SLOWLY,
     ACKD_E_REFUSED},
    {CLOSING_CONNECTION, 320, "CONNECTION_FORCED - vhost 'v1' is deleted", CLOSING_SLOWLY,
     ACKD_E_REFUSED},
    {CLOSING_CONNECTION, 200, "bye", CLOSING_AGAIN, ACKD_E_DISCONNECTED},
    {CLOSING_CONNECTION, 320,
     "CONNECTION_FORCED - broker forced connection closure with reason "
     "'shutdown'",
     CLOSING_AGAIN, ACKD_E_DISCONNECTED},
    {CLOSING_CONNECTION, 320, "CONNECTION_FORCED - Node was put into maintenance mode",
     CLOSING_AGAIN, ACKD_E_DISCONNECTED},
    {CLOSING_CONNECTION, 402, "INVALID_PATH - no such path", CLOSING_SLOWLY, ACKD_E_REFUSED},
    {CLOSING_CONNECTION, 403,
     "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN", CLOSING_SLOWLY,
     ACKD_E_REFUSED},
    {CLOSING_CONNECTION, 530, "NOT_ALLOWED - vhost nope not found", CLOSING_SLOWLY, ACKD_E_REFUSED},
    {CLOSING_CONNECTION, 501, "FRAME_ERROR - type 3", CLOSING_FAULT, ACKD_E_INTERNAL},
    {CLOSING_CONNECTION, 502, "SYNTAX_ERROR", CLOSING_FAULT, ACKD_E_INTERNAL},
    {CLOSING_CONNECTION, 503, "COMMAND_INVALID - unknown exchange type 'topik'", CLOSING_AGAIN,
     ACKD_E_CONFIG},
    {CLOSING_CONNECTION, 503, "COMMAND_INVALID - unexpected method", CLOSING_FAULT,
     ACKD_E_INTERNAL},
    {CLOSING_CONNECTION, 504, "CHANNEL_ERROR - expected 'channel.open'", CLOSING_FAULT,
     ACKD_E_INTERNAL},
    {CLOSING_CONNECTION, 505, "UNEXPECTED_FRAME - expected method frame", CLOSING_FAULT,
     ACKD_E_INTERNAL},
    {CLOSING_CONNECTION, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)", CLOSING_FAULT,
     ACKD_E_INTERNAL},
    {CLOSING_CONNECTION, 506, "RESOURCE_ERROR", CLOSING_AGAIN, ACKD_E_DISCONNECTED},
    {CLOSING_CONNECTION, 541, "INTERNAL_ERROR", CLOSING_AGAIN, ACKD_E_DISCONNECTED},
    {CLOSING_CONNECTION, 599, "of a release to come", CLOSING_AGAIN, ACKD_E_DISCONNECTED},
    {CLOSING_CHANNEL, 403, "ACCESS_REFUSED - queue 'i' in vhost '/' in exclusive use",
     CLOSING_AGAIN, ACKD_E_REFUSED},
    {CLOSING_CHANNEL, 403, "ACCESS_REFUSED - access to queue 'i' in vhost '/' refused for user 'u'",
     CLOSING_AGAIN, ACKD_E_REFUSED},
    {CLOSING_CHANNEL, 404, "NOT_FOUND - no queue 'x' in vhost '/'", CLOSING_AGAIN,
     ACKD_E_NOT_FOUND},
    {CLOSING_CHANNEL, 405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'x'",
     CLOSING_AGAIN, ACKD_E_REFUSED},
    {CLOSING_CHANNEL, 406,
     "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: "
     "1000 ms.",
     CLOSING_LATE, ACKD_E_TIMEOUT},
    {CLOSING_CHANNEL, 406, "PRECONDITION_FAILED - unknown delivery tag 1", CLOSING_FAULT,
     ACKD_E_INTERNAL},
    {CLOSING_CHANNEL, 406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q'",
     CLOSING_SLOWLY, ACKD_E_REFUSED},
    {CLOSING_CHANNEL, 311, "CONTENT_TOO_LARGE", CLOSING_AGAIN, ACKD_E_CLOSED},
    {CLOSING_CHANNEL, 313, "NO_CONSUMERS", CLOSING_AGAIN, ACKD_E_CLOSED},
    {CLOSING_CHANNEL, 506, "RESOURCE_ERROR", CLOSING_AGAIN, ACKD_E_CLOSED},
    {CLOSING_CHANNEL, 541, "INTERNAL_ERROR", CLOSING_AGAIN, ACKD_E_CLOSED},
    {CLOSING_CHANNEL, 599, "of a release to come", CLOSING_AGAIN, ACKD_E_CLOSED},
};

START_TEST(each_close_has_its_act_and_its_error)
{
    const struct closing_case *expected = &cases[_i];
    const struct closing *closing = closing_find(expected->scope, expected->code, expected->text);
    ck_assert_int_eq(closing->scope, expected->scope);
    ck_assert_int_eq(closing->act, expected->act);
    ck_assert_int_eq(closing->error, expected->error);
    ck_assert_int_eq(closing_fail(closing, "it closed", expected->code, expected->text),
                     expected->error);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), expected->text));
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), closing->hint));
}
END_TEST

/* Every row is what some case leads to: a new one needs its case. */
START_TEST(each_row_has_a_case)
{
    static const struct closing *seen[sizeof cases / sizeof cases[0]];
    size_t different = 0;
    size_t rows = 0;
#define CLOSING(...) rows++;
#include "broker/closing.def"
#undef CLOSING
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        seen[i] = closing_find(cases[i].scope, cases[i].code, cases[i].text);
        bool before = false;
        for (size_t other = 0; other < i; other++)
            before = before || seen[other] == seen[i];
        different += !before;
    }
    ck_assert_uint_eq(different, rows);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("closing");
    TCase *tc = tcase_create("closing");
    tcase_add_loop_test(tc, each_close_has_its_act_and_its_error, 0,
                        sizeof cases / sizeof cases[0]);
    tcase_add_test(tc, each_row_has_a_case);
    suite_add_tcase(suite, tc);
    return suite;
}
