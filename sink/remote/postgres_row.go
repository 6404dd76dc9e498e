package remote

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/zmap-go/zmap/record"
)

// postgresRows are the rows of a batch as COPY wants them: scan, number and fields. It implements [pgx.CopyFromSource].
type postgresRows struct {
	origin  *origin
	wide    []bool
	keys    map[int]*postgresParts // by the position of the field
	decoder *rowDecoder
	row     *record.Record
	next    int64
	left    int
	values  []any // of the current row
	err     error
}

func newPostgresRows(p *postgres, b *batch) *postgresRows {
	s := &postgresRows{
		origin: b.origin, wide: p.wide, decoder: newRowDecoder(b.data), row: record.New(b.origin.schema), next: int64(b.first), left: b.rows,
		values: make([]any, 2+len(b.origin.Fields)), keys: make(map[int]*postgresParts),
	}
	s.values[0] = p.scan
	for _, k := range p.parts {
		s.keys[k.index] = k
	}
	return s
}

// Next implements [pgx.CopyFromSource].
func (s *postgresRows) Next() bool {
	if s.left == 0 || s.err != nil {
		return false
	}
	if err := s.decoder.decode(s.row); err != nil {
		s.err = permanent(err)
		return false
	}
	s.values[1] = s.next
	for i := range s.row.Values {
		v := &s.row.Values[i]
		if k, ok := s.keys[i]; ok {
			v = references(v, k)
		}
		s.values[2+i] = postgresValue(v, s.origin.Fields[i].Type, s.wide[i])
	}
	s.next++
	s.left--
	return true
}

// Values implements [pgx.CopyFromSource]. They are good until Next.
func (s *postgresRows) Values() ([]any, error) { return s.values, nil }

// Err implements [pgx.CopyFromSource].
func (s *postgresRows) Err() error { return s.err }

// postgresValue returns what the column of a field of type t takes, nil for null and for a value that does not fit its field.
// Truth values may be held as numbers and the other way round, and text as bytes, as in the text formats.
func postgresValue(v *record.Value, t record.Type, wide bool) any {
	if v.IsNull() {
		return nil
	}
	switch t {
	case record.Int:
		if v.Kind() == record.KindUint && wide {
			return pgtype.Numeric{Int: new(big.Int).SetUint64(v.Uint()), Valid: true}
		}
		return v.Int()
	case record.Bool:
		return v.Bool()
	case record.Addr:
		if v.Kind() == record.KindAddr {
			return v.Addr()
		}
	case record.Time:
		if v.Kind() == record.KindTime {
			return v.Time()
		}
	case record.Binary:
		if v.Kind() == record.KindString {
			return []byte(v.Text())
		}
		if b := v.Bytes(); b != nil {
			return b
		}
	case record.Repeated:
		if v.Kind() == record.KindList {
			text, err := json.Marshal(plainList(v.List()))
			if err == nil {
				return text
			}
		}
	case record.JSON:
		if b := v.Bytes(); b != nil {
			return postgresDocument(b)
		}
	case record.String:
		if v.Kind() == record.KindBytes {
			return postgresText(string(v.Bytes()))
		}
		return postgresText(v.Text())
	}
	return nil
}

// postgresText makes text of s: the server takes neither NUL nor what is no UTF-8.
func postgresText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// plainList returns a list as encoding/json takes it. Members come as the output module json prints them; null ones are left out.
func plainList(list []record.Object) []map[string]any {
	all := make([]map[string]any, 0, len(list))
	for _, object := range list {
		members := make(map[string]any, len(object))
		for i := range object {
			if v := &object[i].Value; !v.IsNull() {
				members[postgresText(object[i].Name)] = plainMember(v)
			}
		}
		all = append(all, members)
	}
	return all
}

func plainMember(v *record.Value) any {
	switch v.Kind() {
	case record.KindInt:
		return v.Int()
	case record.KindUint:
		return v.Uint()
	case record.KindBool:
		return v.Bool()
	case record.KindString:
		return postgresText(v.Text())
	case record.KindBytes:
		return hex.EncodeToString(v.Bytes())
	case record.KindAddr:
		return v.Addr().String()
	case record.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case record.KindList:
		return plainList(v.List())
	case record.KindNull:
	}
	return nil
}
