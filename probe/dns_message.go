package probe

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/zmap-go/zmap/record"
)

// Bounds on what one message is expanded to. A compressed name takes two bytes and stands for up to 255, so that a hostile
// message could make a row many times its own size; what servers send repeats a few names.
const (
	dnsMaxText  = 1 << 15 // bytes of names in one message: sixteen times what is captured of it
	dnsMaxJumps = 128     // pointers followed in one name; as many labels can be in one
)

// A dnsReader walks through a message, in order. The questions and records that it returns hold copies.
//
// Time and memory are bounded by the message's length alone, whatever its counters and pointers say: no slice is made for
// records that cannot be there, and names are followed and expanded only so far.
type dnsReader struct {
	msg  []byte
	at   int // of the next byte
	text int // bytes of names so far
	row  *record.Record
}

// left returns the number of bytes not yet read.
func (d *dnsReader) left() int { return len(d.msg) - d.at }

// section reads count entries with read, and stops at the first that cannot be read, where d.at stays. room is how many
// bytes an entry has at least.
func (d *dnsReader) section(count uint16, room int, read func() (record.Object, bool)) ([]record.Object, bool) {
	list := make([]record.Object, 0, min(int(count), d.left()/room))
	for range count {
		at := d.at
		o, ok := read()
		if !ok {
			d.at = at
			return list, false
		}
		list = append(list, o)
	}
	return list, true
}

// Least sizes: a question is a name, a type and a class; a record has a time to live and a length besides.
const (
	dnsQuestionRoom = 1 + 4
	dnsRecordRoom   = 1 + 10
)

// dnsQuestionSchema has the members of questions.
func dnsQuestionSchema() *record.Schema {
	return record.NewSchema([]record.Field{
		{Name: "name", Type: record.String, Doc: "name asked for"},
		{Name: "qtype", Type: record.Int, Doc: "type asked for"},
		{Name: "qtype_str", Type: record.String, Doc: "its name"},
		{Name: "qclass", Type: record.Int, Doc: "class"},
	})
}

// dnsResourceSchema has the members of records.
func dnsResourceSchema() *record.Schema {
	return record.NewSchema([]record.Field{
		{Name: "name", Type: record.String, Doc: "name that the record is of"},
		{Name: "type", Type: record.Int, Doc: "type"},
		{Name: "type_str", Type: record.String, Doc: "its name"},
		{Name: "class", Type: record.Int, Doc: "class"},
		{Name: "ttl", Type: record.Int, Doc: "seconds that it may be kept"},
		{Name: "rdlength", Type: record.Int, Doc: "bytes of its data"},
		{Name: "rdata_is_parsed", Type: record.Int, Doc: "1 if rdata is text, 0 if it is hexadecimal"},
		{Name: "rdata", Type: record.String, Doc: "data"},
	})
}

// question reads one question (RFC 1035 section 4.1.2).
func (d *dnsReader) question() (record.Object, bool) {
	name, ok := d.name()
	if !ok || d.left() < 4 {
		return nil, false
	}
	b := d.msg[d.at:]
	d.at += 4
	kind, class := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return record.Object{
		{Name: "name", Value: record.Text(name)},
		{Name: "qtype", Value: record.Uint(uint64(kind))},
		{Name: "qtype_str", Value: record.Text(dnsType(kind).String())},
		{Name: "qclass", Value: record.Uint(uint64(class))},
	}, true
}

// resource reads one resource record (RFC 1035 section 4.1.3).
func (d *dnsReader) resource() (record.Object, bool) {
	name, ok := d.name()
	if !ok || d.left() < 10 {
		return nil, false
	}
	b := d.msg[d.at:]
	kind, class := dnsType(binary.BigEndian.Uint16(b)), binary.BigEndian.Uint16(b[2:])
	ttl, n := binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint16(b[8:]))
	d.at += 10
	if d.left() < n {
		return nil, false
	}
	parsed := uint64(1)
	data, ok := d.data(kind, n)
	if !ok {
		parsed, data = 0, record.Bytes(d.row.Copy(d.msg[d.at:d.at+n]))
	}
	d.at += n
	return record.Object{
		{Name: "name", Value: record.Text(name)},
		{Name: "type", Value: record.Uint(uint64(kind))},
		{Name: "type_str", Value: record.Text(kind.String())},
		{Name: "class", Value: record.Uint(uint64(class))},
		{Name: "ttl", Value: record.Uint(uint64(ttl))},
		{Name: "rdlength", Value: record.Uint(uint64(n))},
		{Name: "rdata_is_parsed", Value: record.Uint(parsed)},
		{Name: "rdata", Value: data},
	}, true
}

// data reads the n bytes of data of a record, which are there, as text; not ok if they are not what the type promises, or
// if rows show data of that type in hexadecimal. It leaves d.at alone.
func (d *dnsReader) data(kind dnsType, n int) (record.Value, bool) {
	b := d.msg[d.at : d.at+n]
	switch {
	case kind == dnsNS || kind == dnsCNAME:
		name, ok := d.nameWithin(d.at, n)
		return record.Text(name), ok
	case kind == dnsMX && n > 4:
		name, ok := d.nameWithin(d.at+2, n-2)
		return record.Text(strconv.Itoa(int(binary.BigEndian.Uint16(b))) + " " + name), ok
	case kind == dnsTXT:
		text, ok := dnsStrings(b)
		return record.Text(text), ok
	case kind == dnsA && n == 4:
		return record.Text(netip.AddrFrom4([4]byte(b)).String()), true
	case kind == dnsAAAA && n == 16:
		return record.Text(netip.AddrFrom16([16]byte(b)).String()), true
	}
	return record.Value{}, false
}

// dnsStrings returns the text of a TXT record: its character-strings one after the other, with nothing between them, as
// those who put long texts there want them read (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2). It is not ok if there is
// none, or one that reaches beyond b.
func dnsStrings(b []byte) (string, bool) {
	var text []byte
	if len(b) == 0 {
		return "", false
	}
	for len(b) > 0 {
		n := 1 + int(b[0])
		if n > len(b) {
			return "", false
		}
		text = append(text, b[1:n]...)
		b = b[n:]
	}
	return validText(text), true
}

// name reads the name at d.at and moves behind it.
func (d *dnsReader) name() (string, bool) {
	name, end, ok := d.nameAt(d.at)
	if ok {
		d.at = end
	}
	return name, ok
}

// nameWithin reads the name at position at, which must take exactly n bytes there.
func (d *dnsReader) nameWithin(at, n int) (string, bool) {
	name, end, ok := d.nameAt(at)
	return name, ok && end == at+n
}

// nameAt reads the name at position at: labels joined by dots, no dot at the end, the root empty. end is behind the name, or
// behind its first pointer (RFC 1035 section 4.1.4). A label's bytes are taken as they are, dots among them too; those that
// are not UTF-8 become U+FFFD.
//
// A pointer may point anywhere in the message, at another pointer too. It is not ok if the name leaves the message, is
// longer than names are, has a label of an unknown kind, or follows too many pointers, as every loop does.
func (d *dnsReader) nameAt(at int) (name string, end int, ok bool) {
	var buf [dnsMaxName]byte
	b := buf[:0]
	for jumps := 0; jumps <= dnsMaxJumps; {
		if at >= len(d.msg) {
			return "", 0, false
		}
		n := int(d.msg[at])
		switch {
		case n == 0:
			if end == 0 {
				end = at + 1
			}
			d.text += len(b)
			return validText(b), end, d.text <= dnsMaxText
		case n&0xc0 == 0xc0:
			if at+1 >= len(d.msg) {
				return "", 0, false
			}
			if end == 0 {
				end = at + 2
			}
			at = int(binary.BigEndian.Uint16(d.msg[at:])) & 0x3fff
			jumps++
		case n > dnsMaxLabel || at+1+n > len(d.msg) || len(b)+1+n > dnsMaxName-2:
			return "", 0, false
		default:
			if len(b) > 0 {
				b = append(b, '.')
			}
			b = append(b, d.msg[at+1:at+1+n]...)
			at += 1 + n
		}
	}
	return "", 0, false
}
