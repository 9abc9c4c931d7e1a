// SPDX-License-Identifier: GPL-2.0
/* luoctl timeline: where the time of the last live update went */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luoctl.h"
#include "phases.h"
#include "state.h"

#define BAR		40
/* Of the picture: where it begins, how long the blackout is, where the axis is */
#define LEFT		20
#define WIDTH		800.0
#define ROW		22
#define AXIS		(ROW * 4)

struct phase_time {
	const char *name;
	bool known;
	bool after;		/* the blackout */
	double ms;
};

struct timeline {
	int nr;
	struct phase_time phases[PHASES];
	struct phase_time blackout;
	double longest;
};

static const char *what(const char *name)
{
	static const struct {
		const char *name;
		const char *what;
	} table[] = {
		{ "freeze", "files are frozen" },
		{ "serialize", "everything is serialized" },
		{ "devices", "devices are shut down" },
		{ "cpus", "CPUs are stopped" },
		{ "boot", "kexec, and the next kernel boots" },
		{ "start", "programs start, up to the first that asks" },
		{ "retrieve", "up to the last file that was retrieved" },
		{ "finish", "up to the last session that was finished" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (!strcmp(table[i].name, name))
			return table[i].what;
	return "";
}

static struct reading *reading_of(struct readings *r, bool is_previous, const char *name)
{
	static const char *const previous[PREVIOUS_MILESTONES] = {
		"reboot", "frozen", "serialized", "devices", "kexec",
	};
	static const char *const this[THIS_MILESTONES] = {
		"parsed", "opened", "retrieved", "finished",
	};

	for (int i = 0; is_previous && i < PREVIOUS_MILESTONES; i++)
		if (!strcmp(name, previous[i]))
			return &r->previous[i];
	if (is_previous)
		return NULL;
	for (int i = 0; i < THIS_MILESTONES; i++)
		if (!strcmp(name, this[i]))
			return &r->this[i];
	return strcmp(name, "now") ? NULL : &r->now;
}

/* A milestone, or the wall clock; others are left out. */
static int take_entry(const struct liveupdate_list_entry *entry, void *arg)
{
	bool previous = entry->flags & LIVEUPDATE_ENTRY_PREVIOUS;
	const char *name = (const char *)entry->name;
	struct readings *r = arg;
	struct reading *reading = reading_of(r, previous, name);

	if (reading)
		*reading = (struct reading){ entry->token, entry->extra };
	else if (!strcmp(name, "realtime"))
		*(previous ? &r->previous_real : &r->this_real) = entry->token;
	return 0;
}

static void take_phases(struct timeline *t, const __u64 *ns)
{
	static const char *const names[PHASES] = {
		"freeze", "serialize", "devices", "cpus", "boot", "start", "retrieve", "finish",
		"blackout",
	};

	for (int i = 0; i < PHASES; i++) {
		struct phase_time *phase = &t->phases[i];

		phase->name = names[i];
		phase->known = ns[i] != PHASE_UNKNOWN;
		phase->ms = phase->known ? ns[i] / 1e6 : 0;
		phase->after = i > PHASE_START;
		/* What comes after it can last for hours, and is not what hurts. */
		if (i != PHASE_BLACKOUT && !phase->after && phase->ms > t->longest)
			t->longest = phase->ms;
	}
	t->nr = PHASE_BLACKOUT;
	t->blackout = t->phases[PHASE_BLACKOUT];
}

/* 0 or an errno */
static int read_timeline(struct timeline *t, int dev)
{
	struct readings readings = { };
	__u64 ns[PHASES];
	int err = luo_list(dev, LIVEUPDATE_LIST_TIMELINE, take_entry, &readings);

	if (err)
		return err;
	compute_phases(&readings, ns);
	take_phases(t, ns);
	return 0;
}

static void print_phase(const struct phase_time *phase, double longest)
{
	bool beyond = phase->ms > longest;
	int bar = beyond ? BAR : longest > 0 ? phase->ms / longest * BAR + 0.5 : 0;

	if (phase->known)
		printf("  %-10s%10.1f ms  %.*s%*s%c %s\n", phase->name, phase->ms, bar,
		       "########################################", BAR - bar, "",
		       beyond && longest > 0 ? '>' : ' ', what(phase->name));
	else
		printf("  %-10s%13s  %*s  %s\n", phase->name, "unknown", BAR, "",
		       what(phase->name));
}

static void print_text(const struct timeline *t)
{
	if (t->blackout.known)
		printf("blackout: %.1f ms\n", t->blackout.ms);
	else
		printf("blackout: unknown\n");
	for (int i = 0; i < t->nr; i++) {
		if (t->phases[i].after && i && !t->phases[i - 1].after)
			printf("after it:\n");
		print_phase(&t->phases[i], t->longest);
	}
}

static struct json_object *number(const struct phase_time *phase)
{
	char text[32];

	if (!phase->known)
		return NULL;
	snprintf(text, sizeof(text), "%.6f", phase->ms);
	return json_object_new_double_s(phase->ms, text);
}

static struct json_object *json_phases(const struct timeline *t)
{
	struct json_object *all = json_object_new_object(), *phases = json_object_new_array();

	json_object_object_add(all, "blackout_ms", number(&t->blackout));
	json_object_object_add(all, "phases", phases);
	for (int i = 0; i < t->nr; i++) {
		const struct phase_time *phase = &t->phases[i];
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "name", json_object_new_string(phase->name));
		json_object_object_add(one, "ms", number(phase));
		json_object_object_add(one, "in_blackout", json_object_new_boolean(!phase->after));
		json_object_array_add(phases, one);
	}
	return all;
}

struct json_object *timeline_read(int dev)
{
	struct timeline t = { };

	return read_timeline(&t, dev) ? NULL : json_phases(&t);
}

static const char *const colours[] = {
	"#4e79a7", "#59a14f", "#b07aa1", "#9c755f", "#f28e2b", "#e15759",
};

/* A length of time that divides the axis into 4 to 10 pieces: 1, 2 or 5, and zeroes */
static double axis_step(double ms)
{
	double step = 0.001;

	while (ms / step > 100)
		step *= 10;
	return ms / step > 50 ? 10 * step : ms / step > 20 ? 5 * step : 2 * step;
}

static void write_line(FILE *f, double x, int from, int to)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"black\"/>\n",
		x, from, x, to);
}

static void write_axis(FILE *f, double sum)
{
	double step = axis_step(sum);

	for (double ms = 0; ms <= sum; ms += step) {
		double x = LEFT + ms / sum * WIDTH;

		write_line(f, x, AXIS, AXIS + 5);
		fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", x,
			AXIS + 18, ms);
	}
	fprintf(f, "<text x=\"%.1f\" y=\"%d\">ms</text>\n", LEFT + WIDTH + 12, AXIS + 18);
}

/* Where the previous kernel ends: the next one boots in that phase */
static bool is_previous(int phase)
{
	return phase < PHASE_BOOT;
}

static void write_kernels(FILE *f, double previous_ms, double sum)
{
	double x = LEFT + previous_ms / sum * WIDTH;

	fprintf(f, "<text x=\"%d\" y=\"%d\">previous kernel</text>\n", LEFT, 2 * ROW);
	fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"end\">this kernel</text>\n",
		LEFT + WIDTH, 2 * ROW);
	write_line(f, x, ROW + 8, AXIS);
}

static void write_phase(FILE *f, const struct phase_time *phase, int nr)
{
	int y = AXIS + (nr + 2) * ROW;

	fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", LEFT, y,
		phase->after ? "none" : colours[nr % 6]);
	fprintf(f, "<text x=\"%d\" y=\"%d\">%s: %.1f ms%s, %s%s</text>\n", LEFT + 20, y + 11,
		phase->name, phase->ms, phase->known ? "" : " (unknown)",
		what(phase->name), phase->after ? ", after the blackout" : "");
}

static void write_bars(FILE *f, const struct timeline *t, double sum)
{
	double x = LEFT;

	for (int i = 0; i < t->nr && !t->phases[i].after; i++) {
		double width = t->phases[i].ms / sum * WIDTH;

		fprintf(f, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
			x, AXIS - 30, width, 30, colours[i % 6]);
		x += width;
	}
}

/* The blackout to scale, with an axis, and a line for each phase */
static void write_svg(const struct timeline *t, const char *path)
{
	double sum = 0, previous = 0;
	FILE *f = fopen(path, "we");

	if (!f)
		errx(EXIT_NO, "%s: %s", path, strerror(errno));
	for (int i = 0; i < t->nr && !t->phases[i].after; i++) {
		sum += t->phases[i].ms;
		previous += is_previous(i) ? t->phases[i].ms : 0;
	}
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%d\" ",
		WIDTH + 2 * LEFT + 30, AXIS + (t->nr + 3) * ROW);
	fprintf(f, "font-family=\"sans-serif\" font-size=\"13\">\n");
	fprintf(f, "<title>Blackout of the last live update</title>\n");
	fprintf(f, "<text x=\"%d\" y=\"%d\" font-size=\"16\">", LEFT, ROW - 4);
	fprintf(f, "Last live update: blackout of %.1f ms%s</text>\n", t->blackout.ms,
		t->blackout.known ? "" : " (unknown)");
	if (sum > 0) {
		write_kernels(f, previous, sum);
		write_bars(f, t, sum);
		write_axis(f, sum);
	}
	for (int i = 0; i < t->nr; i++)
		write_phase(f, &t->phases[i], i);
	fprintf(f, "</svg>\n");
	if (fclose(f))
		errx(EXIT_NO, "%s: %s", path, strerror(errno));
}

static int run_timeline(int argc, char **argv)
{
	struct json_object *said;
	const char *svg = NULL;
	struct timeline t = { };
	int key, dev, err;

	while ((key = next_option(argc, argv, &cmd_timeline)) != -1)
		if (key == 's')
			svg = optarg;
	/* In JSON there is an answer on every machine. */
	dev = !json_wanted ? open_query() : has_queries() ? luo_open_query() : -ENOENT;
	err = dev < 0 ? dev : read_timeline(&t, dev);
	if (dev >= 0)
		close(dev);
	if (err && !json_wanted)
		errx(EXIT_NO, "the timeline cannot be read: %s", luo_strerror(err));
	if (svg) {
		write_svg(&t, svg);
	} else if (json_wanted) {
		said = json_phases(&t);
		print_json(said);
		json_object_put(said);
	} else {
		print_text(&t);
	}
	if (dev == -ENOENT)
		return EXIT_OFF;
	return t.blackout.known ? 0 : EXIT_UNKNOWN;
}

const struct command cmd_timeline = {
	.name = "timeline",
	.what = "show how long the phases of the last live update took",
	.words = "",
	.choices = (const struct choice[]) {
		JSON_CHOICE, { "svg", 's', "FILE", "as a picture" }, { }
	},
	.help = "Where the time of the last live update went.\n"
		"The exit status is 2 if it cannot be told how long the blackout was: nothing was\n"
		"handed over, no program has asked yet, or the processor's counter began anew.",
	.run = run_timeline,
};
