/* SPDX-License-Identifier: BSD-3-Clause */
#include "drains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
	const struct drain *x = a, *y = b;
	int order = strcmp(x->pool, y->pool);
	return order != 0 ? order : strcmp(x->backend, y->backend);
}

struct drain *
drains_find(const struct drains *drains, const char *pool, const char *backend)
{
	const struct drain key = {.pool = pool, .backend = backend};
	return drains->count ? bsearch(&key, drains->list, drains->count, sizeof(key), compare)
			     : NULL;
}

int
drains_put(struct drains *drains, const struct drain *drain)
{
	struct drain added = *drain;
	struct drain *list = realloc(drains->list, (drains->count + 1) * sizeof(*list));
	if (list)
		drains->list = list;
	char *pool = strdup(drain->pool), *backend = strdup(drain->backend);
	if (!list || !pool || !backend) {
		free(pool);
		free(backend);
		return -ENOMEM;
	}
	added.pool = pool;
	added.backend = backend;
	list[drains->count++] = added;
	qsort(list, drains->count, sizeof(*list), compare);
	return 0;
}

void
drains_remove(struct drains *drains, struct drain *drain)
{
	free((char *)drain->pool);
	free((char *)drain->backend);
	drains->count--;
	memmove(drain, drain + 1, (size_t)(drains->list + drains->count - drain) * sizeof(*drain));
}

void
drains_clear(struct drains *drains)
{
	while (drains->count > 0)
		drains_remove(drains, &drains->list[drains->count - 1]);
	free(drains->list);
	*drains = (struct drains){0};
}
