/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Live Update Orchestrator: the interface for programs.
 *
 * A program opens /dev/liveupdate, creates a named session, preserves file descriptors in it
 * and reboots by kexec. In the next kernel it retrieves the session by its name, each file
 * descriptor by the token that it chose, and finishes the session.
 *
 * Every argument starts with its own size. A larger argument than the kernel knows is
 * accepted if the part that it does not know is zero, a smaller one if it includes the last
 * mandatory field. Errors that all calls have in common:
 *
 *   ENOTTY      there is no such call on this kind of file descriptor
 *   EINVAL      the size is too small, or the session is not in a state for the call
 *   EOPNOTSUPP  a reserved field is set, or a flag is unknown
 *   E2BIG       the part that the kernel does not know is not zero, or the size is more
 *               than a page
 *   EFAULT      the argument cannot be read or written; nothing has changed
 *   EBUSY       the reboot has begun
 *   EINTR       the task was killed while it waited for another call on the session
 *
 * Each structure below lists the further errors of its call.
 */
#ifndef _UAPI_LIVEUPDATE_H
#define _UAPI_LIVEUPDATE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LIVEUPDATE_IOCTL_TYPE		0xBA

/* The numbers of the ioctls below, for programs that use these names of Linux 7.3 */
enum {
	LIVEUPDATE_CMD_CREATE_SESSION		= 0x00,
	LIVEUPDATE_CMD_BASE			= LIVEUPDATE_CMD_CREATE_SESSION,
	LIVEUPDATE_CMD_RETRIEVE_SESSION		= 0x01,
	LIVEUPDATE_CMD_SESSION_PRESERVE_FD	= 0x40,
	LIVEUPDATE_CMD_SESSION_BASE		= LIVEUPDATE_CMD_SESSION_PRESERVE_FD,
	LIVEUPDATE_CMD_SESSION_RETRIEVE_FD	= 0x41,
	LIVEUPDATE_CMD_SESSION_FINISH		= 0x42,
	LIVEUPDATE_CMD_SESSION_GET_NAME		= 0x43,
};

/* The number of this interface. It grows when something is added. */
#define LIVEUPDATE_ABI			2

/* Size of the name of a session, with its terminating zero */
#define LIVEUPDATE_SESSION_NAME_LENGTH	64

/**
 * struct liveupdate_ioctl_create_session - create a session to preserve files in
 * @size: in: size of this structure
 * @fd: out: the session's file descriptor, close-on-exec
 * @name: in: its name, not empty, zero-terminated
 *
 * The session exists as long as its file descriptor is open; once the reboot has begun it
 * goes on to the next kernel.
 *
 * EINVAL: the name is empty or not terminated. EEXIST: an outgoing session has the name.
 */
struct liveupdate_ioctl_create_session {
	__u32 size;
	__s32 fd;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_CREATE_SESSION		_IO(LIVEUPDATE_IOCTL_TYPE, 0x00)

/* Every close without FINISH parks the session: it can be retrieved again */
#define LIVEUPDATE_RETRIEVE_KEEP		1

/**
 * struct liveupdate_ioctl_retrieve_session - retrieve a session of the previous kernel
 * @size: in: size of this structure
 * @fd: out: the session's file descriptor, close-on-exec
 * @name: in: the name that it was created with
 * @flags: in: 0 or LIVEUPDATE_RETRIEVE_KEEP; may be left off
 *
 * ENOENT: no session of that name was handed over. EINVAL: it is retrieved already, or the
 * name is malformed. EPROTONOSUPPORT: the handover is of an unsupported version. EUCLEAN: it
 * is corrupted.
 */
struct liveupdate_ioctl_retrieve_session {
	__u32 size;
	__s32 fd;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
	__aligned_u64 flags;
};

#define LIVEUPDATE_IOCTL_RETRIEVE_SESSION	_IO(LIVEUPDATE_IOCTL_TYPE, 0x01)

/**
 * struct liveupdate_session_preserve_fd - preserve a file in an outgoing session
 * @size: in: size of this structure
 * @fd: in: the file; it may be closed afterwards
 * @token: in: any number not yet used in this session
 *
 * EBADF: no such file descriptor. EEXIST: the token is in use. EBUSY: the file is preserved
 * already, or retrieved and not finished, or the session is frozen. ENOENT: no handler
 * preserves such files. Other errors come from the handler.
 */
struct liveupdate_session_preserve_fd {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_PRESERVE_FD		_IO(LIVEUPDATE_IOCTL_TYPE, 0x40)

/**
 * struct liveupdate_session_retrieve_fd - retrieve a file in the next kernel
 * @size: in: size of this structure
 * @fd: out: a file descriptor for it, close-on-exec
 * @token: in: the token that it was preserved with
 *
 * May be called again for the same token, for another descriptor of the same file.
 *
 * ENOENT: no such token. EPROTONOSUPPORT: the file was preserved in an unsupported version.
 * ENODEV: no handler reads such files; its module may not be loaded yet. EUCLEAN: what was
 * handed over is corrupted. Other errors come from the handler, and are mostly final.
 */
struct liveupdate_session_retrieve_fd {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_RETRIEVE_FD		_IO(LIVEUPDATE_IOCTL_TYPE, 0x41)

/**
 * struct liveupdate_session_finish - finish a retrieved session
 * @size: in: size of this structure
 * @reserved: in: 0
 *
 * Files that were not retrieved are freed. Afterwards the session is an empty one for the
 * next live update.
 *
 * EBUSY: a file cannot be finished yet, or no handler reads it; nothing has changed.
 */
struct liveupdate_session_finish {
	__u32 size;
	__u32 reserved;
};

#define LIVEUPDATE_SESSION_FINISH		_IO(LIVEUPDATE_IOCTL_TYPE, 0x42)

/**
 * struct liveupdate_session_get_name - get the name of a session
 * @size: in: size of this structure
 * @reserved: in: 0
 * @name: out: the name, zero-terminated
 */
struct liveupdate_session_get_name {
	__u32 size;
	__u32 reserved;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_SESSION_GET_NAME		_IO(LIVEUPDATE_IOCTL_TYPE, 0x43)

/**
 * struct liveupdate_session_freeze - freeze a session ahead of the reboot
 * @size: in: size of this structure
 * @flags: in: 0
 * @token: out: on failure, the token of the file that could not be frozen
 *
 * A program learns of a refusal while it can still go on, and the reboot does not freeze the
 * session again. LIVEUPDATE_SESSION_THAW or the last close undoes it.
 *
 * EALREADY: it is frozen already. Other errors come from the handler of @token; all files
 * are thawed again.
 */
struct liveupdate_session_freeze {
	__u32 size;
	__u32 flags;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_FREEZE		_IO(LIVEUPDATE_IOCTL_TYPE, 0x60)

/**
 * struct liveupdate_session_thaw - undo LIVEUPDATE_SESSION_FREEZE
 * @size: in: size of this structure
 * @flags: in: 0
 *
 * EINVAL: it is not frozen.
 */
struct liveupdate_session_thaw {
	__u32 size;
	__u32 flags;
};

#define LIVEUPDATE_SESSION_THAW			_IO(LIVEUPDATE_IOCTL_TYPE, 0x61)

/* Features: RETRIEVE_SESSION knows LIVEUPDATE_RETRIEVE_KEEP; FREEZE and THAW; LIST */
#define LIVEUPDATE_FEATURE_KEEP			(1 << 0)
#define LIVEUPDATE_FEATURE_FREEZE		(1 << 1)
#define LIVEUPDATE_FEATURE_LIST			(1 << 2)

/* Kexec HandOver refused the incoming handover: its memory is lost */
#define LIVEUPDATE_INFO_LOST			(1 << 0)

/* Size of a compatible string, with its terminating zero */
#define LIVEUPDATE_COMPAT_LENGTH		48

/**
 * struct liveupdate_ioctl_get_info - get the state of live update as a whole
 * @size: in: size of this structure
 * @abi: out: LIVEUPDATE_ABI of the kernel
 * @features: out: LIVEUPDATE_FEATURE_*
 * @number: out: number of live updates up to this kernel since the last cold boot
 * @incoming: out: 0 if nothing was handed over or all of it is finished, 1 if something is
 *	left, -EPROTONOSUPPORT or -EUCLEAN if all of it, the sessions or the FLBs cannot be read
 * @flags: out: LIVEUPDATE_INFO_*
 * @sessions_err: out: 0, or the errno for the incoming sessions
 * @flbs_err: out: 0, or the errno for the incoming FLBs
 * @scratch_bytes: out: scratch memory of Kexec HandOver, in which the next kernel starts
 * @scratch_largest: out: size of the largest contiguous part of it
 * @outgoing_bytes: out: memory preserved for the next kernel
 * @incoming_bytes: out: memory that the previous kernel preserved, not yet retrieved or freed
 * @files: out: number of preserved files
 * @refusal_token: out: the token of the file that refused last, if @refusal_session is set
 * @refusal: out: the errno of the last refused freeze or reboot; 0 if there was none
 * @reserved: out: 0
 * @version: out: version of the incoming handover, zero-terminated and printable; empty if
 *	there is none
 * @refusal_compatible: out: the compatible string of that file's handler
 * @refusal_session: out: its session; empty if the reboot was refused for another reason
 *
 * Works on the device opened with O_RDONLY, which any number of programs may do. Does not
 * wait for calls of others.
 */
struct liveupdate_ioctl_get_info {
	__u32 size;
	__u32 abi;
	__aligned_u64 features;
	__aligned_u64 number;
	__s32 incoming;
	__u32 flags;
	__s32 sessions_err;
	__s32 flbs_err;
	__aligned_u64 scratch_bytes;
	__aligned_u64 scratch_largest;
	__aligned_u64 outgoing_bytes;
	__aligned_u64 incoming_bytes;
	__aligned_u64 files;
	__aligned_u64 refusal_token;
	__s32 refusal;
	__u32 reserved;
	__u8 version[LIVEUPDATE_COMPAT_LENGTH];
	__u8 refusal_compatible[LIVEUPDATE_COMPAT_LENGTH];
	__u8 refusal_session[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_GET_INFO		_IO(LIVEUPDATE_IOCTL_TYPE, 0x20)

/* What is listed: the two sides, the formats of this kernel, or the last live update */
enum {
	LIVEUPDATE_LIST_OUTGOING,
	LIVEUPDATE_LIST_INCOMING,
	LIVEUPDATE_LIST_FORMATS,
	LIVEUPDATE_LIST_TIMELINE,
};

/* What an entry of a list is; a reader ignores those that it does not know */
enum {
	LIVEUPDATE_ENTRY_SESSION	= 1,
	LIVEUPDATE_ENTRY_FILE,		/* of the last session before it */
	LIVEUPDATE_ENTRY_FLB,
	LIVEUPDATE_ENTRY_HANDLER,	/* a format of files; of FLBs it is ENTRY_FLB */
	LIVEUPDATE_ENTRY_STAMP,
};

enum {
	LIVEUPDATE_STATE_NONE,
	LIVEUPDATE_STATE_BUSY,		/* session: a call is active, its files are not listed */
	LIVEUPDATE_STATE_OPEN,		/* session, outgoing */
	LIVEUPDATE_STATE_FROZEN,	/* session or file, outgoing */
	LIVEUPDATE_STATE_WAITING,	/* session, incoming, not retrieved or parked */
	LIVEUPDATE_STATE_PRESERVED,	/* file or FLB, outgoing */
	LIVEUPDATE_STATE_UNTRIED,	/* file or FLB, incoming */
	LIVEUPDATE_STATE_RETRIEVING,	/* file, incoming */
	LIVEUPDATE_STATE_RETRIEVED,	/* session, file or FLB, incoming */
	LIVEUPDATE_STATE_FAILED,	/* file or FLB, incoming */
	LIVEUPDATE_STATE_FINISHED,	/* FLB, incoming */
};

/* Of a format: it is read, but not written. Of a stamp: the previous kernel's */
#define LIVEUPDATE_ENTRY_OLDER			(1 << 0)
#define LIVEUPDATE_ENTRY_PREVIOUS		(1 << 0)

/**
 * struct liveupdate_list_entry - an entry of LIVEUPDATE_IOCTL_LIST
 * @kind: LIVEUPDATE_ENTRY_*
 * @state: LIVEUPDATE_STATE_*
 * @err: 0, or a negative errno. Session: its files are corrupted. File or FLB: what retrieving
 *	has returned, or would return for lack of a handler
 * @pid: session: the program that created or retrieved it; 0 if there is none, or it has
 *	ended, or is not in the caller's PID namespace
 * @flags: LIVEUPDATE_ENTRY_OLDER or _PREVIOUS
 * @reserved: 0
 * @token: file: its token. FLB: how many files depend on it. Stamp: nanoseconds
 * @extra: stamp: the processor's counter of cycles
 * @compatible: file, FLB, format: its compatible string, zero-terminated
 * @name: session: its name; stamp: what was reached; zero-terminated
 *
 * Strings of the previous kernel may have any bytes in them.
 */
struct liveupdate_list_entry {
	__u32 kind;
	__u32 state;
	__s32 err;
	__s32 pid;
	__u32 flags;
	__u32 reserved;
	__aligned_u64 token;
	__aligned_u64 extra;
	__u8 compatible[LIVEUPDATE_COMPAT_LENGTH];
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

/**
 * struct liveupdate_ioctl_list - list sessions, files, FLBs, formats or timestamps
 * @size: in: size of this structure
 * @what: in: LIVEUPDATE_LIST_*
 * @cursor: in: 0, or what the last call returned; out: where the next call goes on
 * @entries: in: address of an array of struct liveupdate_list_entry
 * @entry_size: in: size of each of them. The kernel leaves out what it has no space for, and
 *	zeroes what it does not know.
 * @count: in: how many there is space for; out: how many were written, 0 at the end
 *
 * A session, file or FLB that exists from the first call to the last is listed, whatever
 * happens to others meanwhile. Files follow their session; if it becomes busy between two
 * calls, it is listed again as busy, in place of the rest of its files. Of incoming sessions
 * and FLBs that cannot be read nothing is listed, see LIVEUPDATE_IOCTL_GET_INFO.
 *
 * Works on the device opened with O_RDONLY. Does not wait for calls of others, nor for ops other
 * than can_preserve().
 *
 * EINVAL: @what is unknown, there is space for no entry, or @entry_size is too small. E2BIG:
 * it is more than a page. ENOMEM.
 */
struct liveupdate_ioctl_list {
	__u32 size;
	__u32 what;
	__aligned_u64 cursor;
	__aligned_u64 entries;
	__u32 entry_size;
	__u32 count;
};

#define LIVEUPDATE_IOCTL_LIST			_IO(LIVEUPDATE_IOCTL_TYPE, 0x21)

/*
 * The formats that a kernel reads are noted in its image and in those of its modules, as ELF
 * notes of this name, so that programs can check before they start it. The types:
 *
 *   STORE  the format of Kexec HandOver: a zero-terminated string, as the next three
 *   CORE   the format of sessions and files
 *   FILE   the compatible string of a file handler
 *   FLB    the compatible string of an FLB, an object that files share
 *   OLDER  added to one of these: it is read, but not written
 *   BOOT   a struct liveupdate_note_boot
 *   END    number of bytes from the note to the end of the loaded image: 32 bits
 *   SUBTREE the name of a subtree of Kexec HandOver that the kernel itself has: a string
 *
 * A kernel without such notes was built without live update, or does not note its formats.
 */
#define LIVEUPDATE_NOTE_NAME	"liveupdate"

#define LIVEUPDATE_NOTE_STORE	1
#define LIVEUPDATE_NOTE_CORE	2
#define LIVEUPDATE_NOTE_FILE	3
#define LIVEUPDATE_NOTE_FLB	4
#define LIVEUPDATE_NOTE_BOOT	5
#define LIVEUPDATE_NOTE_END	6
#define LIVEUPDATE_NOTE_SUBTREE	7
#define LIVEUPDATE_NOTE_OLDER	0x100

/* Kexec HandOver is on unless the command line says kho=off */
#define LIVEUPDATE_NOTE_KHO_ON	1

/**
 * struct liveupdate_note_boot - what the kernel needs to boot
 * @page_shift: pages are of 1 << @page_shift bytes
 * @flags: LIVEUPDATE_NOTE_KHO_ON or 0
 * @page_bytes: bytes of Kexec HandOver's scratch memory that it needs for each page of the
 *	machine, before it can use other memory
 */
struct liveupdate_note_boot {
	__u32 page_shift;
	__u32 flags;
	__u32 page_bytes;
};

#endif /* _UAPI_LIVEUPDATE_H */
