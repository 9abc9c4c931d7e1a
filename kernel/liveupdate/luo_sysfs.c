// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/liveupdate, one value per file, also while live update is off.
 *
 * Anybody may read it as often as he likes, so reading validates nothing, frees nothing,
 * and takes no lock that others only try for. See
 * Documentation/ABI/testing/sysfs-kernel-liveupdate.
 */
#include <linux/cleanup.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "kexec_handover_internal.h"
#include "luo_internal.h"

/* The orchestrator that is shown */
static struct luo *luo_shown;

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", luo_enabled(luo_shown));
}

static ssize_t number_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct luo *luo = luo_shown;

	guard(mutex)(&luo->lock);
	return sysfs_emit(buf, "%llu\n", luo->in.err ? 0 : luo->in.head.liveupdate_num);
}

static ssize_t incoming_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const char *name = luo_incoming_state_name(luo_incoming_state(luo_shown));

	if (luo_shown->store->ops->refused(luo_shown->store))
		name = "lost";
	return sysfs_emit(buf, "%s\n", name);
}

/* Written once, at boot */
static ssize_t incoming_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", luo_shown->in.version);
}

static ssize_t image_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[KEXEC_IMAGE_NONE] = "none",
		[KEXEC_IMAGE_PLAIN] = "no-handover",
		[KEXEC_IMAGE_HANDOVER] = "handover",
	};

	return sysfs_emit(buf, "%s\n", names[kexec_image_kind()]);
}

static struct kobj_attribute enabled_attr = __ATTR_RO(enabled);
static struct kobj_attribute number_attr = __ATTR_RO(number);
static struct kobj_attribute incoming_attr = __ATTR_RO(incoming);
static struct kobj_attribute incoming_version_attr = __ATTR_RO(incoming_version);
static struct kobj_attribute image_attr = __ATTR_RO(image);

static struct attribute *sysfs_attrs[] = {
	&enabled_attr.attr,
	&number_attr.attr,
	&incoming_attr.attr,
	&incoming_version_attr.attr,
	&image_attr.attr,
	NULL
};

static const struct attribute_group sysfs_group = {
	.attrs = sysfs_attrs,
};

static ssize_t needed_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct kho_room room;

	return kho_get_room(&room) ?: sysfs_emit(buf, "%llu\n", room.needed);
}

static ssize_t found_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct kho_room room;

	return kho_get_room(&room) ?: sysfs_emit(buf, "%llu\n", room.found);
}

/* They look at all that is preserved: not for everybody. */
static struct kobj_attribute needed_attr = __ATTR_RO_MODE(needed, 0400);
static struct kobj_attribute found_attr = __ATTR_RO_MODE(found, 0400);

static struct attribute *scratch_attrs[] = {
	&needed_attr.attr,
	&found_attr.attr,
	NULL
};

static const struct attribute_group scratch_group = {
	.attrs = scratch_attrs,
};

/* The folder of an area has its number for a name. */
static unsigned int area_of(struct kobject *kobj)
{
	unsigned int area;

	return kstrtouint(kobject_name(kobj), 10, &area) ? 0 : area;
}

static ssize_t start_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%pa\n", &kho_scratch[area_of(kobj)].addr);
}

static ssize_t size_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", (u64)kho_scratch[area_of(kobj)].size);
}

static ssize_t free_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", kho_scratch_free(area_of(kobj)));
}

static struct kobj_attribute start_attr = __ATTR_RO_MODE(start, 0400);
static struct kobj_attribute size_attr = __ATTR_RO(size);
static struct kobj_attribute free_attr = __ATTR_RO_MODE(free, 0400);

static struct attribute *area_attrs[] = {
	&start_attr.attr,
	&size_attr.attr,
	&free_attr.attr,
	NULL
};

static const struct attribute_group area_group = {
	.attrs = area_attrs,
};

/* A folder with files in it, or NULL */
static struct kobject *create_folder(const char *name, struct kobject *parent,
				     const struct attribute_group *group)
{
	struct kobject *kobj = kobject_create_and_add(name, parent);

	if (kobj && sysfs_create_group(kobj, group)) {
		kobject_put(kobj);
		return NULL;
	}
	return kobj;
}

/* scratch/ with a folder for each area, unless there are none */
static void create_scratch(struct kobject *parent)
{
	struct kobject *scratch;
	char name[12];

	if (!kho_is_enabled())
		return;
	scratch = create_folder("scratch", parent, &scratch_group);
	for (unsigned int i = 0; scratch && i < kho_scratch_cnt; i++) {
		snprintf(name, sizeof(name), "%u", i);
		create_folder(name, scratch, &area_group);
	}
}

/* Create /sys/kernel/liveupdate, also if live update is off. Returns 0 or -ENOMEM. */
int luo_sysfs_init(struct luo *luo)
{
	struct kobject *kobj;

	luo_shown = luo;
	kobj = create_folder("liveupdate", kernel_kobj, &sysfs_group);
	if (!kobj)
		return -ENOMEM;
	create_scratch(kobj);
	return 0;
}
