package intake

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/grab/name"
)

// columns are the places of what is of use in comma separated values; -1 for what is not there.
type columns struct{ addr, port, success, repeat, domain, tag int }

// Names of columns and of members of JSON objects: those of scans come first, those of grabs second.
var (
	addrNames   = []string{"saddr", "ip"}
	portNames   = []string{"sport", "port"}
	domainNames = []string{"domain"}
	tagNames    = []string{"tag"}
)

// entry reads one line.
func (r *Reader) entry(line []byte) (Entry, error) {
	first := !r.begun
	switch {
	case len(line) == 0, line[0] == '#':
		return Entry{}, errNothing
	case line[0] == '{':
		r.begun = true
		return parseObject(line)
	}
	r.begun = true
	fields, err := splitFields(string(line))
	if err != nil {
		return Entry{}, err
	}
	if first {
		if r.columns = headerOf(fields); r.columns != nil {
			return Entry{}, errNothing
		}
	}
	if r.columns != nil {
		return r.columns.entry(fields)
	}
	return parseFields(fields)
}

// splitFields cuts a line at its commas, with quotes as comma separated values have them.
func splitFields(line string) (fields []string, err error) {
	if strings.ContainsRune(line, '"') {
		fields, err = splitQuoted(line)
	} else {
		fields = strings.Split(withoutComment(line), ",")
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return fields, err
}

func splitQuoted(line string) ([]string, error) {
	c := csv.NewReader(strings.NewReader(line))
	c.TrimLeadingSpace, c.FieldsPerRecord = true, -1
	fields, err := c.Read()
	var syntax *csv.ParseError // which names a line of its own
	if errors.As(err, &syntax) {
		err = syntax.Err
	}
	if err != nil {
		return nil, fmt.Errorf("comma separated values: %w", err)
	}
	return fields, nil
}

// withoutComment cuts off what # begins behind a blank.
func withoutComment(line string) string {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// headerOf returns the columns that a header names, nil if it is none.
func headerOf(fields []string) *columns {
	find := func(names ...string) int {
		return slices.IndexFunc(fields, func(f string) bool { return slices.Contains(names, f) })
	}
	c := columns{
		find(addrNames...), find(portNames...), find("success"), find("repeat"), find(domainNames...), find(tagNames...),
	}
	if c.addr < 0 {
		return nil
	}
	return &c
}

// entry reads the fields of a row.
func (c *columns) entry(fields []string) (Entry, error) {
	at := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return fields[i]
	}
	if s := at(c.success); s == "0" || s == "false" {
		return Entry{}, errPassed
	}
	if s := at(c.repeat); s == "1" || s == "true" {
		return Entry{}, errPassed
	}
	return parseZGrab(at(c.addr), at(c.domain), at(c.tag), at(c.port))
}

// parseFields reads a line without a header: an address or a name alone, perhaps with its port, or what zgrab2 takes.
func parseFields(fields []string) (Entry, error) {
	switch n := len(fields); {
	case n == 1:
		return parseAlone(fields[0])
	case n == 2 && isNumber(fields[1]):
		return parseZGrab(fields[0], "", "", fields[1])
	case n > 4:
		return Entry{}, fmt.Errorf("%d fields: ip, domain, tag, port are wanted, or a header that names saddr", n)
	}
	f := append(fields, "", "", "")
	return parseZGrab(f[0], f[1], f[2], f[3])
}

// parseAlone reads an address, a network or a name, perhaps with a port.
func parseAlone(s string) (Entry, error) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return parseZGrab(a.Addr().String(), "", "", strconv.Itoa(int(a.Port())))
	}
	if host, port, ok := strings.Cut(s, ":"); ok && !strings.Contains(port, ":") {
		return parseZGrab("", host, "", port)
	}
	return parseZGrab(s, "", "", "")
}

// parseZGrab reads the four fields. A name in the place of an address is one.
func parseZGrab(addr, domain, tag, port string) (Entry, error) {
	e := Entry{Tag: tag}
	if strings.Contains(addr, "/") {
		p, err := netip.ParsePrefix(addr)
		if err != nil {
			return e, fmt.Errorf("%.60q is no network: write it as 192.0.2.0/24", addr)
		}
		e.Net = p.Masked()
	} else if a, err := netip.ParseAddr(addr); err == nil {
		e.Net = netip.PrefixFrom(a, a.BitLen())
		if a.Zone() != "" {
			return e, fmt.Errorf("%.60q: an address with a zone is of this host's own links", addr)
		}
	} else if addr != "" && domain == "" {
		domain = addr
	} else if addr != "" {
		return e, fmt.Errorf("%.60q is no address", addr)
	}
	if domain != "" {
		var ok bool
		if e.Name, ok = name.Clean(domain); !ok {
			return e, fmt.Errorf("%.60q is neither an address nor a name of a host", domain)
		}
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return e, fmt.Errorf("%.60q is no port: a number from 1 to 65535 is wanted", port)
		}
		e.Port = uint16(n)
	}
	return checked(e)
}

// checked returns e if it names a target.
func checked(e Entry) (Entry, error) {
	switch a := e.Net.Addr(); {
	case !e.Net.IsValid() && e.Name == "":
		return e, errors.New("there is neither an address nor a name")
	case a.Is4In6() && e.Net.Bits() >= 96:
		e.Net = netip.PrefixFrom(a.Unmap(), e.Net.Bits()-96)
	case a.Is6() && e.Net.Bits() < 104:
		return e, fmt.Errorf("%s has more addresses than anybody can ask: networks of IPv6 may be as large as /104", e.Net)
	}
	return e, nil
}

// An object is what is of use in a row of JSON.
type object struct {
	SAddr, IP   string
	SPort, Port uint16
	Domain, Tag string
	Success     any // a truth value, or a number
	Repeat      any
}

// parseObject reads a JSON line.
func parseObject(line []byte) (Entry, error) {
	var o object
	if err := json.Unmarshal(line, &o); err != nil {
		return Entry{}, fmt.Errorf("no JSON object on one line: %w", err)
	}
	if o.Success == false || o.Success == 0.0 || o.Repeat == true || o.Repeat == 1.0 {
		return Entry{}, errPassed
	}
	if o.SAddr == "" {
		o.SAddr, o.SPort = o.IP, max(o.SPort, o.Port)
	}
	port := ""
	if o.SPort != 0 {
		port = strconv.Itoa(int(o.SPort))
	}
	return parseZGrab(o.SAddr, o.Domain, o.Tag, port)
}

// isNumber says whether s is a number in decimal.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
