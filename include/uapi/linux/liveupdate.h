/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Live Update Orchestrator: what programs see of it.
 *
 * A program opens /dev/liveupdate, creates a named session, preserves file
 * descriptors in it and reboots with kexec. In the next kernel it retrieves the
 * session by its name, each file descriptor by the token it chose, and finishes.
 *
 * Every argument starts with its own size. A longer one than the kernel knows is
 * taken if the part it does not know is zero; a shorter one if it reaches the last
 * required field. What all calls have in common:
 *
 *   ENOTTY      there is no such call on this kind of file descriptor
 *   EINVAL      the size is too small, or the call does not fit this kind of session
 *   EOPNOTSUPP  a reserved field is set, or a flag is unknown
 *   E2BIG       the part that the kernel does not know is not zero, or the size is more
 *               than a page
 *   EFAULT      the argument cannot be read or written; nothing has changed
 *   EBUSY       the reboot has begun
 *   EINTR       the task was killed while it waited for another call on the session
 *
 * Each structure below lists what its call adds to these.
 */
#ifndef _UAPI_LIVEUPDATE_H
#define _UAPI_LIVEUPDATE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LIVEUPDATE_IOCTL_TYPE		0xBA

/* The numbers of the ioctls below, for programs that were written to Linux 7.3's header */
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

/* Room for the name of a session, with its terminating zero */
#define LIVEUPDATE_SESSION_NAME_LENGTH	64

/**
 * struct liveupdate_ioctl_create_session - create a session to preserve files in
 * @size: in: size of this structure
 * @fd: out: the session's file descriptor, close-on-exec
 * @name: in: its name, not empty, zero-terminated
 *
 * The session lives as long as its file descriptor is open or, once the reboot has
 * begun, into the next kernel.
 *
 * EINVAL: the name is empty or not terminated. EEXIST: an outgoing session has it.
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
 * struct liveupdate_ioctl_retrieve_session - take over a session of the previous kernel
 * @size: in: size of this structure
 * @fd: out: the session's file descriptor, close-on-exec
 * @name: in: the name it was created with
 * @flags: in: 0 or LIVEUPDATE_RETRIEVE_KEEP; may be left off
 *
 * ENOENT: no session of that name was handed over. EINVAL: it is retrieved already,
 * or the name is malformed. EPROTONOSUPPORT: the handover is of a version unknown
 * here. EUCLEAN: it is damaged.
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
 * EBADF: no such file descriptor. EEXIST: the token is taken. EBUSY: the file is
 * preserved already, or retrieved and not finished, or the session is frozen.
 * ENOENT: nothing here can preserve a file of this kind. Else: what its handler says.
 */
struct liveupdate_session_preserve_fd {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_PRESERVE_FD		_IO(LIVEUPDATE_IOCTL_TYPE, 0x40)

/**
 * struct liveupdate_session_retrieve_fd - get a file back in the next kernel
 * @size: in: size of this structure
 * @fd: out: a file descriptor for it, close-on-exec
 * @token: in: the token it was preserved with
 *
 * May be called again for the same token: another descriptor of the same file.
 *
 * ENOENT: no such token. EPROTONOSUPPORT: the file was preserved in a version that
 * this kernel cannot read. ENODEV: no handler for this kind of file; its module may
 * not be loaded yet. EUCLEAN: what was handed over is damaged. Else: what its
 * handler says, and mostly the same each time.
 */
struct liveupdate_session_retrieve_fd {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_RETRIEVE_FD		_IO(LIVEUPDATE_IOCTL_TYPE, 0x41)

/**
 * struct liveupdate_session_finish - all is retrieved that is wanted; give up the rest
 * @size: in: size of this structure
 * @reserved: in: 0
 *
 * Afterwards the session is an ordinary empty one for the next update.
 *
 * EBUSY: a file cannot be finished yet, or nothing here can; nothing has changed.
 */
struct liveupdate_session_finish {
	__u32 size;
	__u32 reserved;
};

#define LIVEUPDATE_SESSION_FINISH		_IO(LIVEUPDATE_IOCTL_TYPE, 0x42)

/**
 * struct liveupdate_session_get_name - what the session is called
 * @size: in: size of this structure
 * @reserved: in: 0
 * @name: out: the whole name, zero-terminated
 */
struct liveupdate_session_get_name {
	__u32 size;
	__u32 reserved;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_SESSION_GET_NAME		_IO(LIVEUPDATE_IOCTL_TYPE, 0x43)

/**
 * struct liveupdate_session_freeze - do now what the reboot would do to this session
 * @size: in: size of this structure
 * @flags: in: 0
 * @token: out: where a file refused, its token
 *
 * For learning of a refusal while one can still go on. The reboot does not freeze
 * such a session again; LIVEUPDATE_SESSION_THAW or the last close undoes it.
 *
 * EBUSY: it is frozen already. Else: what the handler of @token says, and all files
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

/*
 * What a kernel takes over stands in its image and in those of its modules, as ELF notes of
 * this name: so programs can ask before they start it. The types:
 *
 *   STORE  the format of Kexec HandOver: a string, with its terminating zero, as all of them
 *   CORE   a format of sessions and files
 *   FILE   the compatible string of a handler of files
 *   FLB    the compatible string of an object that files share
 *   OLDER  added to one of these: is read, but never written
 *   BOOT   a struct liveupdate_note_boot
 *   END    how many bytes it is from there to the end of what is loaded: 32 bits
 *
 * A kernel without any was built without live update, or knows no notes yet.
 */
#define LIVEUPDATE_NOTE_NAME	"liveupdate"

#define LIVEUPDATE_NOTE_STORE	1
#define LIVEUPDATE_NOTE_CORE	2
#define LIVEUPDATE_NOTE_FILE	3
#define LIVEUPDATE_NOTE_FLB	4
#define LIVEUPDATE_NOTE_BOOT	5
#define LIVEUPDATE_NOTE_END	6
#define LIVEUPDATE_NOTE_OLDER	0x100

/* Kexec HandOver is on unless the command line says kho=off */
#define LIVEUPDATE_NOTE_KHO_ON	1

/**
 * struct liveupdate_note_boot - what has to fit for the kernel to come up
 * @page_shift: the size of its pages: 1 << @page_shift bytes
 * @flags: LIVEUPDATE_NOTE_KHO_ON or 0
 * @page_bytes: how many bytes of Kexec HandOver's scratch memory it needs for each of its
 *	pages before it can use other memory
 */
struct liveupdate_note_boot {
	__u32 page_shift;
	__u32 flags;
	__u32 page_bytes;
};

#endif /* _UAPI_LIVEUPDATE_H */
