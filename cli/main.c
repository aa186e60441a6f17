/* SPDX-License-Identifier: MIT */
/*
 * cli/main.c: where the berth command begins. Called by the system.
 */
#include <stdio.h>
#include <string.h>

#include <berth/version.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("berth %s\n", berth_version());
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: berth --version | --help\n");
        return 0;
    }
    fprintf(stderr, "berth: expected a command; see berth --help\n");
    return 2;
}
