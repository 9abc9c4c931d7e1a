/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps of a live update, with their results and durations.
 *
 * @start is from luo_trace_start(), which only reads the clock if the event is enabled.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM liveupdate

#if !defined(_TRACE_LIVEUPDATE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LIVEUPDATE_H

#include <linux/liveupdate.h>
#include <linux/ktime.h>
#include <linux/tracepoint.h>

#ifndef luo_trace_start
/* The time at which an event began, or 0 if it is disabled */
#define luo_trace_start(event)	(trace_##event##_enabled() ? ktime_get_ns() : 0)

/* The event may have been enabled since. */
static inline u64 luo_trace_ns(u64 start)
{
	return start ? ktime_get_ns() - start : 0;
}
#endif

/* An ioctl, or the last close of a session; a malformed name is left out */
TRACE_EVENT(liveupdate_call,
	    TP_PROTO(const char *op, const char *session, int result, u64 start),
	    TP_ARGS(op, session, result, start),
	    TP_STRUCT__entry(__string(op, op)
			     __string(session, session)
			     __field(int, result)
			     __field(u64, ns)
	    ),
	    TP_fast_assign(__assign_str(op);
			   __assign_str(session);
			   __entry->result = result;
			   __entry->ns = luo_trace_ns(start);
	    ),
	    TP_printk("%s session=%s result=%d ns=%llu", __get_str(op), __get_str(session),
		      __entry->result, __entry->ns)
);

DECLARE_EVENT_CLASS(liveupdate_file,
		    TP_PROTO(const char *session, u64 token, const char *compatible,
			     int result, u64 start),
		    TP_ARGS(session, token, compatible, result, start),
		    TP_STRUCT__entry(__string(session, session)
				     __string(compatible, compatible)
				     __field(u64, token)
				     __field(int, result)
				     __field(u64, ns)
		    ),
		    TP_fast_assign(__assign_str(session);
				   __assign_str(compatible);
				   __entry->token = token;
				   __entry->result = result;
				   __entry->ns = luo_trace_ns(start);
		    ),
		    TP_printk("session=%s token=%llu compatible=%s result=%d ns=%llu",
			      __get_str(session), __entry->token, __get_str(compatible),
			      __entry->result, __entry->ns)
);

#define LIVEUPDATE_FILE_EVENT(name)					\
DEFINE_EVENT(liveupdate_file, liveupdate_file_##name,			\
	TP_PROTO(const char *session, u64 token, const char *compatible, int result, u64 start), \
	TP_ARGS(session, token, compatible, result, start))

LIVEUPDATE_FILE_EVENT(preserve);
LIVEUPDATE_FILE_EVENT(unpreserve);
LIVEUPDATE_FILE_EVENT(freeze);
LIVEUPDATE_FILE_EVENT(unfreeze);
LIVEUPDATE_FILE_EVENT(retrieve);
LIVEUPDATE_FILE_EVENT(finish);

DECLARE_EVENT_CLASS(liveupdate_flb,
		    TP_PROTO(const char *compatible, int result, u64 start),
		    TP_ARGS(compatible, result, start),
		    TP_STRUCT__entry(__string(compatible, compatible)
				     __field(int, result)
				     __field(u64, ns)
		    ),
		    TP_fast_assign(__assign_str(compatible);
				   __entry->result = result;
				   __entry->ns = luo_trace_ns(start);
		    ),
		    TP_printk("compatible=%s result=%d ns=%llu", __get_str(compatible),
			      __entry->result, __entry->ns)
);

#define LIVEUPDATE_FLB_EVENT(name)					\
DEFINE_EVENT(liveupdate_flb, liveupdate_flb_##name,			\
	TP_PROTO(const char *compatible, int result, u64 start),	\
	TP_ARGS(compatible, result, start))

LIVEUPDATE_FLB_EVENT(preserve);
LIVEUPDATE_FLB_EVENT(unpreserve);
LIVEUPDATE_FLB_EVENT(retrieve);
LIVEUPDATE_FLB_EVENT(finish);

DECLARE_EVENT_CLASS(liveupdate_step,
		    TP_PROTO(const char *what, int result, u64 start),
		    TP_ARGS(what, result, start),
		    TP_STRUCT__entry(__string(what, what)
				     __field(int, result)
				     __field(u64, ns)
		    ),
		    TP_fast_assign(__assign_str(what);
				   __entry->result = result;
				   __entry->ns = luo_trace_ns(start);
		    ),
		    TP_printk("%s result=%d ns=%llu", __get_str(what), __entry->result,
			      __entry->ns)
);

#define LIVEUPDATE_STEP_EVENT(name)					\
DEFINE_EVENT(liveupdate_step, liveupdate_##name,			\
	TP_PROTO(const char *what, int result, u64 start),		\
	TP_ARGS(what, result, start))

LIVEUPDATE_STEP_EVENT(reboot);		/* freeze and serialize, or a refusal */
LIVEUPDATE_STEP_EVENT(serialize);
LIVEUPDATE_STEP_EVENT(parse);

TRACE_DEFINE_ENUM(LIVEUPDATE_STAMP_REBOOT);
TRACE_DEFINE_ENUM(LIVEUPDATE_STAMP_FROZEN);
TRACE_DEFINE_ENUM(LIVEUPDATE_STAMP_SERIALIZED);
TRACE_DEFINE_ENUM(LIVEUPDATE_STAMP_SYSCORE);
TRACE_DEFINE_ENUM(LIVEUPDATE_STAMP_MACHINE);

/* A milestone of a reboot; "kexec" is the last one of this kernel */
TRACE_EVENT(liveupdate_phase,
	    TP_PROTO(enum liveupdate_stamp stamp),
	    TP_ARGS(stamp),
	    TP_STRUCT__entry(__field(unsigned int, stamp)
	    ),
	    TP_fast_assign(__entry->stamp = stamp;
	    ),
	    TP_printk("%s", __print_symbolic(__entry->stamp,
					     { LIVEUPDATE_STAMP_REBOOT, "reboot" },
					     { LIVEUPDATE_STAMP_FROZEN, "frozen" },
					     { LIVEUPDATE_STAMP_SERIALIZED, "serialized" },
					     { LIVEUPDATE_STAMP_SYSCORE, "devices" },
					     { LIVEUPDATE_STAMP_MACHINE, "kexec" }))
);

#endif /* _TRACE_LIVEUPDATE_H */

#include <trace/define_trace.h>
