package sink

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseRotation reads when files are to be rotated: a size of at least 64 KB such as 100MB (KB, MB, GB of 1000, KiB, MiB, GiB
// of 1024) or a span of at least a second such as 90s, 15m, 1h or 7d. One of the results is 0.
func ParseRotation(text string) (size int64, every time.Duration, err error) {
	fail := func() (int64, time.Duration, error) {
		return 0, 0, fmt.Errorf("rotate=%s is neither a size of 64KB at least, such as 100MB, nor a time of 1s at least, such as 1h or 7d", shorten(text))
	}
	digits := strings.TrimRight(text, "KMGTiBsmhd")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || digits[0] == '+' {
		return fail()
	}
	units := map[string]int64{
		"KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
		"s": int64(time.Second), "m": int64(time.Minute), "h": int64(time.Hour), "d": 24 * int64(time.Hour),
	}
	unit := text[len(digits):]
	one, ok := units[unit]
	if !ok || n > math.MaxInt64/one {
		return fail()
	}
	if strings.HasSuffix(unit, "B") {
		if n*one < spillSize {
			return fail()
		}
		return n * one, 0, nil
	}
	return 0, time.Duration(n * one), nil
}
