/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HOLD_H
#define HOLD_H

#include <sys/types.h>

/* The first argument of luoctl in a unit of hold_start()'s */
#define HOLD_IN_UNIT	"--hold-in-unit"

/*
 * Leave the session with a process that holds it after this one has ended, also when systemd ends
 * the unit that this one is in. Its number; or it exits.
 */
pid_t hold_start(const char *name, int session);

/* That process, in a unit: it takes the session from process PID, where it is descriptor FD. */
int hold_in_unit(int argc, char **argv);

/* Exits if a session that this process has, and those that it becomes, ends before the reboot */
void hold_check(const char *name);

#endif /* HOLD_H */
