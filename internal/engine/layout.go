package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// ipFields come first in every row.
func ipFields() []record.Field {
	return []record.Field{
		{Name: "saddr", Type: record.Addr, Doc: "source IP address of response"},
		{Name: "saddr_raw", Type: record.Int, Doc: "network order integer form of source IP address"},
		{Name: "daddr", Type: record.Addr, Doc: "destination IP address of response"},
		{Name: "daddr_raw", Type: record.Int, Doc: "network order integer form of destination IP address"},
		{Name: "ipid", Type: record.Int, Doc: "IP identification number of response"},
		{Name: "ttl", Type: record.Int, Doc: "time-to-live of response packet"},
	}
}

// systemFields come behind those of the module.
func systemFields() []record.Field {
	return []record.Field{
		{Name: "repeat", Type: record.Bool, Doc: "is response a repeat response from this target"},
		{Name: "cooldown", Type: record.Bool, Doc: "was response received during the cooldown period"},
		{Name: "timestamp_str", Type: record.Time, Doc: "timestamp of when response arrived in ISO8601 format"},
		{Name: "timestamp_ts", Type: record.Int, Doc: "timestamp of when response arrived in seconds since Epoch"},
		{Name: "timestamp_us", Type: record.Int, Doc: "microsecond part of timestamp (e.g. microseconds since 'timestamp_ts')"},
	}
}

// A layout says where in a row the parts and the fields that the engine reads are.
type layout struct {
	schema  *record.Schema
	module  int // position of the module's first field
	system  int // position of the first system field
	alias   int // position of the field aliased, -1 if rows have none
	notes   int // position of the first field of an annotation
	data    int // position of the grab, behind those; the end of the row if there is none
	success int
	number  bool // success is a number in the rows of this module, 0 or 1
	app     int  // position of app_success, -1 if the module has none
}

// Schema returns the fields of a scan with a probe module: those of the IP header, the module's own, those of the engine, and
// behind them those of an annotation. It panics if two have the same name: see [CheckNotes].
func Schema(d probe.Description, notes ...record.Field) *record.Schema {
	return record.NewSchema(ipFields(), d.Schema.Fields(), systemFields(), notes)
}

// CheckNotes names the fields of an annotation that rows of the probe module have already.
func CheckNotes(d probe.Description, notes []record.Field) error {
	schema := Schema(d)
	var taken []string
	for _, f := range notes {
		if _, ok := schema.Lookup(f.Name); ok {
			taken = append(taken, f.Name)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return fmt.Errorf("rows of probe %s have fields called %s already: give the columns of the table other names",
		d.Name, strings.Join(taken, ", "))
}

// newLayout returns the layout of rows of a probe module with the fields of an annotation, and with those of grabs.
func newLayout(d probe.Description, grabs []record.Field, notes ...record.Field) (layout, error) {
	l := layout{module: len(ipFields()), app: -1}
	l.system = l.module + d.Schema.Len()
	l.alias, l.notes = -1, l.system+len(systemFields())
	l.data = l.notes + len(notes)
	if len(notes) > 0 && notes[0] == AliasField() {
		l.alias = l.notes
		l.notes++
	}
	l.schema = Schema(d, slices.Concat(notes, grabs)...)
	var ok bool
	if l.success, ok = l.schema.Lookup("success"); !ok {
		return layout{}, fmt.Errorf("probe module %s has no field success", d.Name)
	}
	l.number = l.schema.Field(l.success).Type == record.Int
	if i, ok := l.schema.Lookup("app_success"); ok {
		l.app = i
	}
	return l, nil
}

// setIP writes the fields of the IP header, of which all but the first are needed or not. For ICMP errors the source is the
// target that was asked, in both of its forms, unless the module keeps the responder's.
func (l *layout) setIP(row *record.Record, p *packet.Parsed, t *target.Target, fromResponder, all bool) {
	v := row.Values[:l.module]
	src := p.Src
	if p.Quoted.Present && !fromResponder {
		src = t.Addr
	}
	v[0].SetAddr(src)
	if !all {
		return
	}
	clear(v[1:])
	v[2].SetAddr(p.Dst)
	if src.Is4() {
		a, b := src.As4(), p.Dst.As4()
		v[1].SetUint(uint64(binary.LittleEndian.Uint32(a[:])))
		v[3].SetUint(uint64(binary.LittleEndian.Uint32(b[:])))
		v[4].SetUint(uint64(p.IPID))
	}
	v[5].SetUint(uint64(p.TTL))
}

// setSuccess writes the module's verdict in its place.
func (l *layout) setSuccess(row *record.Record, success bool) {
	v := &row.Values[l.success]
	if v.SetBool(success); l.number {
		v.SetUint(v.Uint())
	}
}

// setRepeat writes the first of the engine's own fields.
func (l *layout) setRepeat(row *record.Record, repeat bool) {
	row.Values[l.system].SetBool(repeat)
}

// isRepeat reads it.
func (l *layout) isRepeat(row *record.Record) bool { return row.Values[l.system].Bool() }

// isCooldown reads the second.
func (l *layout) isCooldown(row *record.Record) bool { return row.Values[l.system+1].Bool() }

// setSystem writes the engine's own fields but the first; the times are needed or not.
func (l *layout) setSystem(row *record.Record, cooldown bool, at int64, times bool) {
	v := row.Values[l.system:l.notes]
	v[1].SetBool(cooldown)
	if !times {
		return
	}
	v[2].SetTime(at)
	v[3].SetUint(uint64(at / 1e9))
	v[4].SetUint(uint64(at / 1e3 % 1e6))
}

// setNotes writes what is known about the row's address.
func (l *layout) setNotes(row *record.Record, a annotate.Annotator) {
	a.Annotate(row.Values[0].Addr(), row.Values[l.notes:l.data])
}
