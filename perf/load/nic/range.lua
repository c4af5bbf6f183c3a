-- SPDX-License-Identifier: BSD-3-Clause
-- For pktgen-dpdk 22 and later, started by nic/run: FLOWS client addresses to one VIP, TCP port 80,
-- and the highest percentage of line rate at which a trial of SECONDS_OF_TRIAL loses nothing:
-- halved down to 0.1 %, then confirmed three times in a row (RFC 2544, 26.1).
require "Pktgen"

local PORT = "0"
local WIDTH, CONFIRM, DRAIN_MS = 0.1, 3, 2000
local flows = tonumber(os.getenv("FLOWS"))
local size = tonumber(os.getenv("SIZE"))
local seconds = tonumber(os.getenv("SECONDS_OF_TRIAL"))
assert(flows <= 2 ^ 24, "at most 2^24 flows")

-- 20.0.0.0 and on, as fairlead's own generator has them
local function client(n)
    return string.format("20.%d.%d.%d", n // 65536, n // 256 % 256, n % 256)
end

local function fixed(set, value, zero)
    set(PORT, "start", value)
    set(PORT, "inc", zero)
    set(PORT, "min", value)
    set(PORT, "max", value)
end

local function set_up()
    local range = pktgen.range
    range.dst_mac(PORT, "start", os.getenv("PEER_MAC"))
    fixed(range.dst_ip, os.getenv("VIP"), "0.0.0.0")
    range.src_ip(PORT, "start", client(0))
    range.src_ip(PORT, "inc", "0.0.0.1")
    range.src_ip(PORT, "min", client(0))
    range.src_ip(PORT, "max", client(flows - 1))
    fixed(range.src_port, 1024, 0)
    fixed(range.dst_port, 80, 0)
    fixed(range.pkt_size, size, 0)
    range.ip_proto(PORT, "tcp")
    pktgen.set_range(PORT, "on")
end

-- Packets sent and received since the port was cleared. Versions differ in where they put them.
local function counts()
    local stats = pktgen.portStats(PORT, "port")
    stats = stats[tonumber(PORT)] or stats
    return stats.opackets, stats.ipackets
end

local function holds(percent)
    pktgen.set(PORT, "rate", percent)
    pktgen.clear(PORT)
    pktgen.delay(500)
    local sent0, received0 = counts()
    pktgen.start(PORT)
    pktgen.delay(seconds * 1000)
    pktgen.stop(PORT)
    pktgen.delay(DRAIN_MS)
    local sent, received = counts()
    sent, received = sent - sent0, received - received0
    print(string.format("%7.3f %% of line rate: %d sent, %d received, %.0f packets a second",
        percent, sent, received, sent / seconds))
    return sent > 0 and received >= sent
end

local function confirmed(percent)
    for _ = 1, CONFIRM do
        if not holds(percent) then
            return false
        end
    end
    return true
end

set_up()
local held, failed = 0, 100
if holds(100) then
    held = 100
end
while held < 100 and failed - held > WIDTH do
    local percent = (held + failed) / 2
    if holds(percent) then
        held = percent
    else
        failed = percent
    end
end
while held > WIDTH and not confirmed(held) do
    held = held - WIDTH
end
print(string.format("loss-free: %.3f %% of line rate, frames of %d bytes, %d flows", held, size, flows))
pktgen.quit()
