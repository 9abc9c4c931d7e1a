// SPDX-License-Identifier: GPL-2.0
/* File descriptors on their way to other processes, and what they say they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

int luo_send_text(int sock, const char *text, int fd)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } u = {
		.h = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
		       .cmsg_type = SCM_RIGHTS },
	};
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &u;
		msg.msg_controllen = sizeof(u);
		memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, 0) == iov.iov_len ? 0 : -errno;
}

int luo_receive_text(int sock, char *text, size_t size, int *fd)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } u;
	struct iovec iov = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
			      .msg_controllen = sizeof(u) };
	ssize_t n = recvmsg(sock, &msg, 0);

	if (n < 0)
		return -errno;
	text[n] = 0;
	*fd = -1;
	if (msg.msg_controllen)
		memcpy(fd, CMSG_DATA(&u.h), sizeof(*fd));
	return 0;
}

int luo_send_fd(int sock, int fd)
{
	return luo_send_text(sock, "f", fd);
}

int luo_receive_fd(int sock)
{
	char text[2];
	int fd, ret = luo_receive_text(sock, text, sizeof(text), &fd);

	if (ret || !text[0] || fd < 0)
		return -EIO;
	return fd;
}

bool luo_link_text(int fd, char *text, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, size - 1);
	if (n < 0)
		return false;
	text[n] = 0;
	return true;
}
