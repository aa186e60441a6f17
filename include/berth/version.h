/* SPDX-License-Identifier: MIT */
/*
 * berth/version.h: which libberth is this.
 */
#ifndef BERTH_VERSION_H
#define BERTH_VERSION_H

#include <berth/visibility.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of the library that is linked, as "MAJOR.MINOR.PATCH". The string is static:
 * valid for ever, not to be freed. Cannot fail.
 */
BERTH_API const char *berth_version(void);

#ifdef __cplusplus
}
#endif

#endif
