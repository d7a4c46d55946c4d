package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

const (
	// maxHops is how many entries of X-Forwarded-For are read. No real chain of proxies is that long.
	maxHops = 64
	// maxHop is the longest entry of X-Forwarded-For that can be an address, in bytes: an IPv6
	// address with a zone, brackets, a port and quotes.
	maxHop = 128
	// mappedBits is the length of ::ffff:0:0/96, in which IPv4 addresses are mapped.
	mappedBits = 96
)

// proxies are the networks of the proxies whose X-Forwarded-For is believed.
type proxies []netip.Prefix

// newProxies reads addresses and networks.
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

// ParseProxy reads an entry of [Deps.TrustedProxies]: an address, or a network such as 192.0.2.0/24.
// An IPv4-mapped IPv6 address or network is the IPv4 one.
func ParseProxy(entry string) (netip.Prefix, error) {
	entry = strings.TrimSpace(entry)
	if address, err := netip.ParseAddr(entry); err == nil {
		address = plain(address)
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

// client returns the address of the client that a request comes from, or the zero address where it
// has none, as on a Unix socket.
//
// That is the peer of the connection. Where the peer is a trusted proxy, it is the address for which
// that proxy forwards, and so on from the right of X-Forwarded-For up to the first address that is
// not a trusted proxy's: what stands further left may be the client's invention. An entry that is no
// address ends the search too, and the hop to its right counts. No other header is read, because
// proxies pass most of them on as clients send them.
func (trusted proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := plain(peer.Addr())
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
				continue // an empty entry of a list counts for nothing (RFC 9110, section 5.6.1.2)
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

func (trusted proxies) contain(address netip.Addr) bool {
	for _, network := range trusted {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// cutLast splits the last entry off a list with commas, and says whether there are more.
func cutLast(list string) (rest, entry string, more bool) {
	comma := strings.LastIndexByte(list, ',')
	if comma < 0 {
		return "", strings.Trim(list, " \t"), false
	}
	return list[:comma], strings.Trim(list[comma+1:], " \t"), true
}

// parseHop reads an entry of X-Forwarded-For in the forms that proxies write: an address, with or
// without a port, an IPv6 address in brackets, all that in quotes.
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
		return plain(address), true
	}
	if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return plain(address), err == nil && address.Is6()
	}
	withPort, err := netip.ParseAddrPort(entry)
	return plain(withPort.Addr()), err == nil
}

// plain is the one form of an address: an IPv4-mapped IPv6 address is the IPv4 address, and a zone
// means something on one machine only.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// network is what counts as one client: an IPv4 address or, since one IPv6 customer has as many
// addresses as they like, a network of 64 bits. Clients without an address are one client.
func network(client netip.Addr) netip.Prefix {
	bits := 64
	if client.Is4() {
		bits = 32
	}
	prefix, err := client.Prefix(bits)
	if err != nil {
		panic(err) // the bits fit
	}
	return prefix
}
