/* SPDX-License-Identifier: MIT */
/*
 * base/version.c: the version of the library. The number itself stands in the root meson.build.
 * Anyone may call it.
 */
#include <berth/version.h>

const char *berth_version(void)
{
    return BERTH_VERSION;
}
