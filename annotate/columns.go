package annotate

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// Bounds of a header, which becomes names of fields.
const (
	maxColumns = 64
	maxName    = 63 // what databases take as the name of a column
	maxQuote   = 80 // bytes of a text that a message repeats
)

// Where a column's cells go that are no field of a row.
const (
	isPrefix = -1 - iota // the prefix, or its address if the length has a column of its own
	isLength
)

// columns say what the cells of a record mean.
type columns struct {
	fields []record.Field
	to     []int // of each column: the field, or one of the constants above
}

// bareColumns returns the columns of a text that does not name them, told by its first record; none if that is no prefix.
func bareColumns(first []string) (columns, error) {
	asn, _ := field(fieldASN)
	c := columns{fields: []record.Field{asn}}
	_, err := parsePrefix(first[0])
	switch {
	case err != nil:
		return columns{}, nil
	case len(first) == 2:
		c.to = []int{isPrefix, 0}
		return c, nil
	case len(first) == 3 && !strings.Contains(first[0], "/"):
		c.to = []int{isPrefix, isLength, 0}
		return c, nil
	default:
		return columns{}, errors.New("the first line names no columns: write one above it, such as prefix,asn,org,country")
	}
}

// namedColumns returns the columns that a header names; table is for their descriptions.
func namedColumns(header []string, table string) (columns, error) {
	var c columns
	if len(header) > maxColumns {
		return c, fmt.Errorf("there are %d columns; at most %d are taken", len(header), maxColumns)
	}
	taken := make(map[string]string)
	for i, title := range header {
		name, err := fieldName(title)
		if err != nil {
			return c, fmt.Errorf("column %d: %w", i+1, err)
		}
		if other, ok := taken[name]; ok {
			return c, fmt.Errorf("columns %s and %s are both called %s: rename one of them", quote(other), quote(title), name)
		}
		taken[name] = title
		f, ok := field(name)
		switch {
		case name == "prefix":
			c.to = append(c.to, isPrefix)
			continue
		case !ok:
			f = record.Field{Name: name, Type: record.String, Doc: fmt.Sprintf("column %s of %s", quote(title), filepath.Base(table))}
		}
		c.to = append(c.to, len(c.fields))
		c.fields = append(c.fields, f)
	}
	switch _, ok := taken["prefix"]; {
	case !ok:
		return c, fmt.Errorf("no column is called prefix, network or cidr among %s, and %s is no prefix either",
			quote(strings.Join(header, ",")), quote(header[0]))
	case len(c.fields) == 0:
		return c, errors.New("there is no column beside the prefix")
	default:
		return c, nil
	}
}

// fieldName returns the name of the field that a column's title stands for.
func fieldName(title string) (string, error) {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(title)) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			r = '_'
		}
		b.WriteRune(r)
	}
	name := b.String()
	switch {
	case strings.Trim(name, "_") == "":
		return "", fmt.Errorf("the title %s has neither letters nor digits: give it a name", quote(title))
	case len(name) > maxName:
		return "", fmt.Errorf("the title %s is longer than %d bytes", quote(title), maxName)
	case name[0] >= '0' && name[0] <= '9':
		name = "_" + name
	}
	switch name {
	case "network", "cidr":
		return "prefix", nil
	case "org", "autonomous_system_organization":
		return fieldOrg, nil
	case "autonomous_system_number":
		return fieldASN, nil
	}
	return name, nil
}

// parse writes the fields of a record to w and returns its prefix.
func (c *columns) parse(rec []string, w *writer) (netip.Prefix, error) {
	if len(rec) != len(c.to) {
		return netip.Prefix{}, fmt.Errorf("there are %d cells, and %d columns", len(rec), len(c.to))
	}
	var network, length string
	for i, to := range c.to {
		cell := strings.TrimSpace(rec[i])
		var err error
		switch {
		case to == isPrefix:
			network = cell
		case to == isLength:
			length = "/" + cell
		case c.fields[to].Name == fieldASN:
			var n uint32
			n, err = parseASN(cell)
			w.number(to, n)
		case c.fields[to].Name == fieldCountry:
			if cell, err = parseCountry(cell); err == nil {
				err = w.text(to, cell)
			}
		default:
			err = w.text(to, cell)
		}
		if err != nil {
			return netip.Prefix{}, err
		}
	}
	return parsePrefix(network + length)
}

// parsePrefix reads a network, or an address, which is a network of its own. Bits of the address behind the length are passed
// over, and networks of IPv4 may be written in their IPv6 form.
func parsePrefix(s string) (netip.Prefix, error) {
	wrong := func() error { return fmt.Errorf("%s is no prefix: write 192.0.2.0/24 or 2001:db8::/32", quote(s)) }
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, wrong()
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, wrong()
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, wrong()
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// parseASN reads the number of an autonomous system, the first if there are several: 64496, AS64496, {64496,64497},
// 64496_64497. Nothing and 0 mean none.
func parseASN(s string) (uint32, error) {
	digits := strings.TrimPrefix(s, "{")
	if len(digits) > 2 && strings.EqualFold(digits[:2], "AS") {
		digits = digits[2:]
	}
	if end := strings.IndexAny(digits, "_,}"); end > 0 {
		digits = digits[:end]
	}
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is no number of an autonomous system: write 64496 or AS64496, or nothing", quote(s))
	}
	return uint32(n), nil
}

// parseCountry reads the two letters of a country.
func parseCountry(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if !isCode(s) {
		return "", fmt.Errorf("%s is no country code of two letters: write SE, or nothing; call columns with other names of countries country_name", quote(s))
	}
	return strings.ToUpper(s), nil
}

// isCode says whether s is two ASCII letters.
func isCode(s string) bool {
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	return len(s) == 2 && letter(s[0]) && letter(s[1])
}

// quote returns s in quotes, shortened to a length that fits a line.
func quote(s string) string {
	if len(s) > maxQuote {
		return strconv.Quote(s[:maxQuote]) + "..."
	}
	return strconv.Quote(s)
}
