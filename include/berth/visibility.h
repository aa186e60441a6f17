/* SPDX-License-Identifier: MIT */
/* What the shared library shows: a declaration marked BERTH_API, and nothing else. */
#ifndef BERTH_VISIBILITY_H
#define BERTH_VISIBILITY_H

#if defined(__GNUC__)
#define BERTH_API        __attribute__((visibility("default")))
#define BERTH_MUST_CHECK __attribute__((warn_unused_result))
#else
#define BERTH_API
#define BERTH_MUST_CHECK
#endif

#endif
