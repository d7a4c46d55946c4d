package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

const (
	// maxHops limits the entries of X-Forwarded-For that are read. No real chain of proxies is that long.
	maxHops = 64
	// maxHop is the longest entry of X-Forwarded-For that can be an address, in bytes: an IPv6
	// address with a zone, brackets, a port and quotes.
	maxHop = 128
	// mappedBits is the prefix length of ::ffff:0:0/96, the network of IPv4-mapped addresses.
	mappedBits = 96
)

// proxies are the networks of the proxies whose X-Forwarded-For is trusted.
type proxies []netip.Prefix

// newProxies parses addresses and networks.
func newProxies(entries []string) (proxies, error) {
	trusted := make(proxies, len(entries))
	for i, entry := range entries {
		var err error
		if trusted[i], err = ParseProxy(entry); err != nil {
			return nil, err
		}
	}
	return trusted, nil
}

// ParseProxy parses an entry of [Deps.TrustedProxies]: an address, or a network such as 192.0.2.0/24. An
// IPv4-mapped IPv6 address or network counts as the IPv4 one.
func ParseProxy(entry string) (netip.Prefix, error) {
	entry = strings.TrimSpace(entry)
	if address, err := netip.ParseAddr(entry); err == nil {
		address = normalize(address)
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(entry)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network", entry)
	}
	address, bits := network.Addr(), network.Bits()
	if address.Is4In6() && bits >= mappedBits {
		address, bits = address.Unmap(), bits-mappedBits
	}
	return netip.PrefixFrom(address, bits).Masked(), nil
}

// client returns the address of the client that sent a request, or the zero address if the client has
// none, as on a Unix socket.
//
// The client is the peer of the connection, unless the peer is a trusted proxy. Then the entries of
// X-Forwarded-For are read from right to left, and the client is the first one that is not a trusted
// proxy. A client may have invented everything to the left of it. An entry that is not an address ends
// the search too, and the hop to its right is the client. No other header is read, because proxies
// forward most headers unchanged.
func (trusted proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := normalize(peer.Addr())
	lines := r.Header["X-Forwarded-For"] // several lines are one list (RFC 9110, section 5.3)
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			if hops == maxHops || !trusted.contain(client) {
				return client
			}
			var entry string
			rest, entry, more = cutLast(rest)
			if entry == "" {
				continue // empty entries of a list are ignored (RFC 9110, section 5.6.1.2)
			}
			address, ok := parseHop(entry)
			if !ok {
				return client
			}
			client = address
		}
	}
	return client
}

// sent reports whether a request comes directly from a trusted proxy.
func (trusted proxies) sent(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && trusted.contain(normalize(peer.Addr()))
}

func (trusted proxies) contain(address netip.Addr) bool {
	for _, network := range trusted {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// cutLast splits the last entry off a comma-separated list, and reports whether there are more.
func cutLast(list string) (rest, entry string, more bool) {
	comma := strings.LastIndexByte(list, ',')
	if comma < 0 {
		return "", strings.Trim(list, " \t"), false
	}
	return list[:comma], strings.Trim(list[comma+1:], " \t"), true
}

// parseHop parses an entry of X-Forwarded-For in the forms that proxies write: an address with or without a
// port, with or without brackets if it is an IPv6 address, with or without quotes.
func parseHop(entry string) (netip.Addr, bool) {
	if len(entry) > maxHop {
		return netip.Addr{}, false
	}
	if unquoted, ok := strings.CutPrefix(entry, `"`); ok {
		if entry, ok = strings.CutSuffix(unquoted, `"`); !ok {
			return netip.Addr{}, false
		}
	}
	if address, err := netip.ParseAddr(entry); err == nil {
		return normalize(address), true
	}
	if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return normalize(address), err == nil && address.Is6()
	}
	withPort, err := netip.ParseAddrPort(entry)
	return normalize(withPort.Addr()), err == nil
}

// normalize gives an address one form: an IPv4-mapped IPv6 address becomes the IPv4 address. A zone is dropped,
// since it has a meaning on one machine only.
func normalize(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// clientNetwork returns the addresses that count as one client: an IPv4 address, or an IPv6 network with a
// prefix of 64 bits, since one customer controls all of its addresses. All clients without an address count as one.
func clientNetwork(client netip.Addr) netip.Prefix {
	bits := 64
	if client.Is4() {
		bits = 32
	}
	prefix, err := client.Prefix(bits)
	if err != nil {
		panic(err) // the number of bits is valid
	}
	return prefix
}
