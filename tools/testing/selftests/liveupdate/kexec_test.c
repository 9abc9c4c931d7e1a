// SPDX-License-Identifier: GPL-2.0
/*
 * Run groups of scenarios over several kernels. --list names them all.
 *
 * The kernel's command line, here our environment, says which and in which kernel we are:
 *
 *   luo_test=GROUP[,GROUP...]  what to run
 *   luo_stage=N                this is the Nth kernel, from 1
 *   luo_load=legacy            load the next kernel with kexec_load(2)
 *   luo_load=luoctl            luoctl kexec loads the next kernel and goes there
 *   luo_load=force             the same with --force=command-line
 *   luo_holes=filled           one of the kernels fills holes with pages
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kexec/scenario.h"

#define MAX_SCENARIOS	64

/* In no particular order */
static struct scenario_group *groups;

static struct selected {
	char name[64];
	const struct scenario *scenario;
} selected[MAX_SCENARIOS];
static int nr_selected;

static int report = -1;

void luo_skip(const char *why)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "s%s", why);

	if (write(report, text, n) != n)
		_exit(1);
	_exit(0);
}

static int last_stage(const struct scenario *s)
{
	int last = 0;

	if (s->every)
		return s->kernels();
	for (int i = 0; i < MAX_STAGES; i++)
		if (s->stage[i])
			last = i + 1;
	return last;
}

/* What it does in that kernel; NULL: nothing */
static void (*function_of(const struct scenario *s, int stage))(void)
{
	if (s->every)
		return stage <= s->kernels() ? s->every : NULL;
	return stage <= MAX_STAGES ? s->stage[stage - 1] : NULL;
}

static bool in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, name, len) && (!p[len] || p[len] == ','))
			return true;
	return false;
}

void add_scenarios(struct scenario_group *group)
{
	group->next = groups;
	groups = group;
}

static void list_scenarios(void)
{
	for (const struct scenario_group *g = groups; g; g = g->next)
		for (const struct scenario *s = g->scenarios; s->name; s++)
			printf("%s.%s\n", g->name, s->name);
}

/* Its scenarios; how many kernels they need */
static int select_group(const struct scenario_group *g)
{
	int last = 0;

	for (const struct scenario *s = g->scenarios; s->name; s++) {
		struct selected *sel = &selected[nr_selected++];

		if (nr_selected > MAX_SCENARIOS) {
			printf("Bail out! more than %d scenarios\n", MAX_SCENARIOS);
			exit(2);
		}
		snprintf(sel->name, sizeof(sel->name), "%s.%s", g->name, s->name);
		sel->scenario = s;
		if (last_stage(s) > last)
			last = last_stage(s);
	}
	return last;
}

/* Those of the list, in its order: each kernel has the same. 0 if one is unknown. */
static int select_scenarios(const char *list)
{
	char names[512], *rest = names, *name;
	int last = 0;

	snprintf(names, sizeof(names), "%s", list ?: "");
	while ((name = strsep(&rest, ","))) {
		const struct scenario_group *g = groups;
		int kernels;

		while (g && strcmp(g->name, name))
			g = g->next;
		if (!g)
			return 0;
		kernels = select_group(g);
		if (kernels > last)
			last = kernels;
	}
	return last;
}

/* In a child: the function, then word to the parent, then stay if there is more to come. */
static void run_stage(const struct scenario *s, int stage, int to)
{
	report = to;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(240);
	function_of(s, stage)();
	alarm(0);
	fflush(stdout);
	/* What the next kernel is to find is there, even if something here was not so. */
	if (write(to, luo_has_failed ? "f" : "k", 1) != 1)
		_exit(1);
	close(to);
	while (last_stage(s) > stage)
		pause();
	_exit(luo_has_failed);
}

/* Say how one scenario went in this kernel; true if it did not fail. */
static bool run_scenario(const struct selected *sel, int stage, int number)
{
	char said[128] = "";
	int fds[2];
	pid_t pid;

	luo_say("%s, kernel %d", sel->name, stage);
	if (pipe2(fds, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid) {
		close(fds[0]);
		run_stage(sel->scenario, stage, fds[1]);
	}
	close(fds[1]);
	if (pid < 0 || read(fds[0], said, sizeof(said) - 1) < 0)
		said[0] = 0;
	close(fds[0]);
	if (!said[0])
		waitpid(pid, NULL, 0);
	else if (last_stage(sel->scenario) == stage)
		waitpid(pid, NULL, 0);
	if (said[0] == 's')
		printf("ok %d %s # SKIP %s\n", number, sel->name, said + 1);
	else
		printf("%s %d %s\n", said[0] == 'k' ? "ok" : "not ok", number, sel->name);
	fflush(stdout);
	return said[0] == 'k' || said[0] == 's';
}

static bool run_all(int stage)
{
	int planned = 0, number = 0;
	bool ok = true;

	for (int i = 0; i < nr_selected; i++)
		planned += !!function_of(selected[i].scenario, stage);
	printf("TAP version 13\n1..%d\n", planned);
	for (int i = 0; i < nr_selected; i++)
		if (function_of(selected[i].scenario, stage))
			ok &= run_scenario(&selected[i], stage, ++number);
	return ok;
}

/* What the groups want on the command line of that kernel, besides */
static void add_more(char *out, size_t size, int stage)
{
	for (const struct scenario_group *g = groups; g; g = g->next) {
		size_t used = strlen(out);
		const char *more;

		if (g->more_of)
			more = g->more_of(stage);
		else
			more = stage <= MAX_STAGES ? g->more[stage - 1] : NULL;
		if (more && in_list(getenv("luo_test"), g->name))
			snprintf(out + used, size - used, LUO_MORE " %s", more);
	}
}

static char cmdline[2048];

static bool load_by(const char *how)
{
	return !strcmp(getenv("luo_load") ?: "", how);
}

static int load(int stage)
{
	if (!luo_next_cmdline(cmdline, sizeof(cmdline)))
		return -EINVAL;
	add_more(cmdline, sizeof(cmdline), stage + 1);
	if (load_by("luoctl") || load_by("force"))
		return 0;
	return load_by("legacy") ? luo_load_legacy(cmdline) : luo_load_next(cmdline);
}

static int jump(void)
{
	static char said[4096];
	int ret;

	if (!load_by("luoctl") && !load_by("force"))
		return luo_jump();
	ret = luo_jump_by_luoctl(cmdline, load_by("force"), "/tmp/said");
	luo_read_text("/tmp/said", said, sizeof(said));
	for (char *at = said, *line; at && (line = strsep(&at, "\n"));)
		luo_say("luoctl: %s", line);
	return ret;
}

int main(int argc, char **argv)
{
	int stage = luo_stage(), last, ret;
	bool ok;

	if (argc > 1 && !strcmp(argv[1], "--list")) {
		list_scenarios();
		return 0;
	}
	if (luo_page_size() != PAGE) {
		printf("Bail out! built for pages of %d bytes\n", PAGE);
		return 2;
	}
	last = select_scenarios(getenv("luo_test"));
	if (!last || stage < 1 || stage > last) {
		luo_say("nothing to run: luo_test=%s, luo_stage=%d", getenv("luo_test"), stage);
		return 2;
	}
	if (stage < last) {
		/* Before anything else, so that a scenario may try to go there. */
		ret = load(stage);
		if (ret) {
			printf("Bail out! loading the next kernel: %s\n", luo_error(ret));
			return 2;
		}
	}
	ok = run_all(stage);
	if (stage < last) {
		luo_say("to kernel %d", stage + 1);
		ret = jump();
		printf("Bail out! going to the next kernel: %s\n", luo_error(ret));
		return 2;
	}
	return !ok;
}
