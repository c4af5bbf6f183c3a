/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst_isa.h"

#include <rte_cpuflags.h>

static const struct {
	const char *name;
	burst_entry *entry;
} isas[PIPELINE_ISAS] = {
	[PIPELINE_BASELINE] = {"baseline", pipeline_burst_baseline},
#ifdef PIPELINE_HAS_WIDE
	[PIPELINE_AVX2] = {"AVX2", pipeline_burst_avx2},
	[PIPELINE_AVX512] = {"AVX-512", pipeline_burst_avx512},
#else
	[PIPELINE_AVX2] = {"AVX2", NULL},
	[PIPELINE_AVX512] = {"AVX-512", NULL},
#endif
};

/* control: rw before workers run; workers: ro */
static burst_entry *chosen = pipeline_burst_baseline;

bool
pipeline_isa_available(enum pipeline_isa isa)
{
	if (isa == PIPELINE_BASELINE)
		return true;
#ifdef PIPELINE_HAS_WIDE
	/* What -march=x86-64-v3 and -v4 let the compiler use. */
	static const enum rte_cpu_flag_t v3[] = {RTE_CPUFLAG_AVX2, RTE_CPUFLAG_BMI1,
		RTE_CPUFLAG_BMI2, RTE_CPUFLAG_FMA, RTE_CPUFLAG_F16C, RTE_CPUFLAG_LZCNT,
		RTE_CPUFLAG_MOVBE};
	static const enum rte_cpu_flag_t v4[] = {RTE_CPUFLAG_AVX512F, RTE_CPUFLAG_AVX512BW,
		RTE_CPUFLAG_AVX512CD, RTE_CPUFLAG_AVX512DQ, RTE_CPUFLAG_AVX512VL};
	for (size_t i = 0; i < RTE_DIM(v3); i++)
		if (rte_cpu_get_flag_enabled(v3[i]) != 1)
			return false;
	for (size_t i = 0; isa == PIPELINE_AVX512 && i < RTE_DIM(v4); i++)
		if (rte_cpu_get_flag_enabled(v4[i]) != 1)
			return false;
	return true;
#else
	return false;
#endif
}

const char *
pipeline_isa_name(enum pipeline_isa isa)
{
	return isas[isa].name;
}

void
pipeline_use(enum pipeline_isa isa)
{
	chosen = isas[isa].entry;
}

enum pipeline_isa
pipeline_widest_isa(void)
{
	enum pipeline_isa isa = PIPELINE_ISAS - 1;
	while (!pipeline_isa_available(isa))
		isa--;
	return isa;
}

void
pipeline_burst(
	struct pipeline *pipeline, const struct tables *tables, uint8_t port, struct burst *burst)
{
	chosen(pipeline, tables, port, burst);
}
