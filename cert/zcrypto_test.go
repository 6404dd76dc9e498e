package cert

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zcrypto/x509/pkix"
)

// ours are keys that zcrypto has not, or fills otherwise.
var ours = []string{
	"subject_key_info.ed25519_public_key",   // zcrypto writes no such key
	"subject_key_info.ecdsa_public_key.pub", // which zcrypto writes only for some
}

// TestZcryptoAgrees compares the JSON with that of the library which zgrab2 uses: what stands here stands there, too.
func TestZcryptoAgrees(t *testing.T) {
	pkix.LegacyNameString = true // as zgrab2 sets it
	root := (*maker)(nil).issue(t, "ECDSA", authority("Root"))
	for name, m := range map[string]*maker{
		"root": root, "RSA": root.issue(t, "RSA", nil), "ECDSA": root.issue(t, "ECDSA", nil), "Ed25519": root.issue(t, "Ed25519", nil), "self-signed": (*maker)(nil).issue(t, "RSA", nil),
	} {
		c, err := Parse(m.x.Raw)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zx509.ParseCertificate(m.x.Raw)
		if err != nil {
			t.Fatal(err)
		}
		got := object(t, c)
		if all, ok := got["names"].([]any); ok { // zcrypto forgets addresses of IPv6
			got["names"] = slices.DeleteFunc(all, func(n any) bool { return n == "2001:db8::1" })
		}
		compareJSON(t, name, "", got, object(t, z))
	}
}

func object(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func compareJSON(t *testing.T, name, path string, got, want map[string]any) {
	t.Helper()
	for k, v := range got {
		at := strings.TrimPrefix(path+"."+k, ".")
		if slices.Contains(ours, at) {
			continue
		}
		below, isObject := v.(map[string]any)
		theirs, ok := want[k].(map[string]any)
		if isObject && ok {
			compareJSON(t, name, at, below, theirs)
		} else if diff := cmp.Diff(want[k], v); diff != "" {
			t.Errorf("%s: %s: zcrypto (-), here (+): %s", name, at, diff)
		}
	}
}
