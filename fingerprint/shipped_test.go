package fingerprint

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestShippedRulesAreTested: reading has each rule pass its tests; here it is seen that each has some of both kinds.
func TestShippedRulesAreTested(t *testing.T) {
	set, err := Open(Builtin)
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() < 40 {
		t.Errorf("got %d rules, want 40 or more", set.Len())
	}
	files, err := shipped.ReadDir("rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := shipped.ReadFile("rules/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Rules []struct {
				Name, Vendor, Product, CPE string
				Tests                      struct{ Positive, Negative []map[string]any }
			}
		}
		if err := yaml.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		for _, r := range doc.Rules {
			if len(r.Tests.Positive) == 0 || len(r.Tests.Negative) == 0 || r.Product == "" {
				t.Errorf("%s: rule %s has %d positive and %d negative tests and the product %q, want some of each", f.Name(), r.Name, len(r.Tests.Positive), len(r.Tests.Negative), r.Product)
			}
			if strings.Contains(r.CPE, "{version}") && !strings.Contains(string(b), "version") {
				t.Errorf("rule %s has no version", r.Name)
			}
		}
	}
}

// TestShippedRulesKeepToPolicy holds the words that docs/fingerprints.md forbids.
func TestShippedRulesKeepToPolicy(t *testing.T) {
	set, err := Open(Builtin)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.rules {
		for _, p := range r.product {
			for _, tool := range []string{"tor", "obfs", "snowflake", "shadowsocks", "v2ray", "trojan", "psiphon", "lantern", "wireguard", "openvpn", "outline"} {
				for word := range strings.FieldsSeq(strings.ToLower(p.text + " " + r.name)) {
					if word == tool {
						t.Errorf("rule %s names a tool of circumvention: %s", r.name, tool)
					}
				}
			}
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	set, err := Open(Builtin)
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat(`<div class=\"x\">text\n</div>`, 300)
	cert := strings.Repeat(`{"name":"abcdef","value":"`+strings.Repeat("x", 60)+`"},`, 60)
	for name, data := range map[string]string{
		"http": `{"http":{"status":"success","protocol":"http","result":{"response":{"status_code":200,"headers":{"server":["nginx/1.24.0"],"content_type":["text/html"]},"body":"<title>Welcome</title>` + body + `"}}}}`,
		"tls":  `{"tls":{"status":"success","result":{"handshake_log":{"server_hello":{"random":"` + strings.Repeat("A", 44) + `"},"server_certificates":{"certificate":{"raw":"` + strings.Repeat("A", 1200) + `","parsed":{"subject":{"common_name":["a.example"]},"extensions":[` + cert + `{}]}}}}}}}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				set.Match([]byte(data))
			}
		})
	}
}
