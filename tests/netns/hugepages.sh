#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# With hugepages: packet buffers in hugepages, the flow table on hugetlbfs. Reserves what it needs and
# gives it back.
#
# Runs alone: it reserves the machine's hugepages.
. "$(dirname "$0")/lab.sh"

pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
mount_point=/run/fairlead-huge-$$
[ -w $pool ] || skip_all "this kernel has no 2 MiB hugepages to reserve"
reserved=$(cat $pool)

restore() {
    local status=$?
    lab_down
    if mountpoint -q $mount_point; then
        umount $mount_point
    fi
    if [ -d $mount_point ]; then
        rmdir $mount_point
    fi
    echo "$reserved" >$pool
    (exit $status)
    on_exit
}
trap restore EXIT

echo $((reserved + 256)) >$pool
[ "$(cat $pool)" = $((reserved + 256)) ] ||
    skip_all "256 hugepages of 2 MiB cannot be reserved: memory is short or fragmented"
mkdir $mount_point
mount -t hugetlbfs -o pagesize=2M none $mount_point || skip_all "hugetlbfs cannot be mounted here"

lab_up
lab_servers b1 b2
lab_config b1 b2 | jq ".dataplane.hugepages = true | .dataplane.flow_table.path = \"$mount_point/flows\"" \
    >"$LAB_CONFIG"
lab_edge_start
expect "40 connections over two backends" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 40)" 40 b1 b2
expect "hugepages are in use" test "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -lt \
    "$(awk '/HugePages_Total/ { print $2 }' /proc/meminfo)"
expect "the flow table lies on hugetlbfs" test -s $mount_point/flows
expect "SIGTERM: exit status 0" lab_edge_stop TERM
equal "only the flow table stays" "$(ls $mount_point)" flows

# Too few: refused at once, with what to do.
rm $mount_point/flows
echo "$reserved" >$pool
if [ "$reserved" -lt 16 ]; then
    status=0
    lab_in edge timeout 5 "$LAB_FAIRLEAD" --config "$LAB_CONFIG" >"$LAB_DIR/refused.log" 2>&1 || status=$?
    equal "without hugepages it does not start" $status 1
    expect "and says so" grep -qi hugepages "$LAB_DIR/refused.log"
else
    echo "skip without hugepages: somebody else has reserved $reserved"
fi
