// SPDX-License-Identifier: GPL-2.0
/* luoctl: the device, or why there is none */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdline.h"
#include "luoctl.h"

int exit_status(int err)
{
	switch (err) {
	case 0:
		return 0;
	case -ENOENT:
		return EXIT_ABSENT;
	case -EPROTONOSUPPORT:
		return EXIT_INCOMPATIBLE;
	case -EUCLEAN:
		return EXIT_DAMAGED;
	case -EBUSY:
		return EXIT_BUSY;
	case -ENODEV:
	case -ENOMEM:
	case -EINTR:
	case -EAGAIN:
		return EXIT_RETRY;
	default:
		return EXIT_NO;
	}
}

/* Is anything of the previous kernel in memory that this one cannot give to anybody? */
static bool something_waits(void)
{
	char *incoming = read_file("/sys/kernel/liveupdate/incoming");
	bool waits = incoming && strncmp(incoming, "none", 4) && strncmp(incoming, "lost", 4);

	free(incoming);
	return waits;
}

static bool was_asked_for(void)
{
	char *line = read_file("/proc/cmdline");
	bool on = cmdline_switch(line, "liveupdate", false) && cmdline_switch(line, "kho", true);

	free(line);
	return on;
}

const char *why_off(void)
{
	char *enabled = read_file("/sys/kernel/liveupdate/enabled");
	bool on = enabled && *enabled == '1', built_in = enabled;

	free(enabled);
	if (on)
		return "live update is on, but there is no " LUO_DEVICE;
	if (!built_in)
		return "this kernel was built without live update";
	if (something_waits())
		return "live update is off: any reboot loses what was handed over";
	if (was_asked_for())
		return "live update is off: Kexec HandOver has failed, see the kernel's log";
	return "live update is off; boot with kho=on liveupdate=on";
}

bool has_queries(void)
{
	return !access("/sys/kernel/liveupdate/incoming_version", F_OK);
}

noreturn static void cannot_open(int err)
{
	if (err == -ENOENT)
		errx(EXIT_OFF, "%s", why_off());
	if (err == -EBUSY)
		errx(EXIT_BUSY, "%s: opened by another program", LUO_DEVICE);
	errx(exit_status(err), "%s: %s", LUO_DEVICE, luo_strerror(err));
}

int open_device(void)
{
	int dev = luo_open_wait(1000);

	if (dev < 0)
		cannot_open(dev);
	return dev;
}

int open_query(void)
{
	int dev;

	if (!has_queries() && !access(LUO_DEVICE, F_OK))
		errx(EXIT_UNKNOWN, NO_QUERY);
	dev = luo_open_query();
	if (dev < 0)
		cannot_open(dev);
	return dev;
}
