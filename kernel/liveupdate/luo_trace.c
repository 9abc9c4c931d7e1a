// SPDX-License-Identifier: GPL-2.0
/* Where the tracepoints of live update are. */
#define CREATE_TRACE_POINTS
#include <trace/events/liveupdate.h>
