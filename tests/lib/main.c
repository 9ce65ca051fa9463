/* SPDX-License-Identifier: MIT */
/*
 * main - of every unit test: runs the suite that the test defines and speaks TAP.
 *
 * Exits with 0 after a complete plan: the plan tells the failures, and a further status would count
 * one twice.
 */
#include <config.h>

#include "main.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(test_suite());
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    srunner_free(runner);
    return EXIT_SUCCESS;
}

unsigned long test_scale(unsigned long count)
{
    const char *percent = getenv("ACKD_TEST_SCALE");
    unsigned long scaled = percent == NULL ? count : count * strtoul(percent, NULL, 10) / 100;
    return scaled == 0 ? 1 : scaled;
}
