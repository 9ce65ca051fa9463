/* SPDX-License-Identifier: MIT */
/*
 * link - a floor and those below it make a program: all their members are in it (--whole-archive),
 * so a call to a floor above, or beside, is an undefined symbol and the test does not even link.
 */
#include <config.h>

#include <stdio.h>

int main(void)
{
    return puts("ok 1 - links with the floors below alone\n1..1") < 0;
}
