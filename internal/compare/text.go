package compare

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/record"
)

// appendText appends a value in words, nothing for null. A zero byte, which separates values, becomes a blank.
func appendText(b []byte, v *record.Value) []byte {
	switch v.Kind() {
	case record.KindUint, record.KindBool:
		return strconv.AppendUint(b, v.Uint(), 10)
	case record.KindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case record.KindString:
		return append(b, strings.ReplaceAll(v.Text(), "\x00", " ")...)
	case record.KindBytes:
		return hex.AppendEncode(b, v.Bytes())
	case record.KindAddr:
		return v.Addr().AppendTo(b)
	case record.KindTime:
		return v.Time().UTC().AppendFormat(b, time.RFC3339Nano)
	case record.KindList, record.KindNull:
	}
	return b
}
