package fingerprint

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConditions(t *testing.T) {
	const data = `{"tls":{"status":"success","result":{"handshake_log":{"server_hello":{"version":{"value":771}},
		"client_hello":{"cipher_suites":[{"value":47},{"value":10}]},
		"server_certificates":{"certificate":{"parsed":{"subject":{"common_name":["FGT60D"],"ou":null},"self":true}}}}}},
		"http":{"result":{"response":{"status_code":401,"body":"<title>Login</title>"}}}}`
	for when, want := range map[string]bool{
		`{at: $cert.subject.common_name, equals: FGT60D}`:                                true,
		`{at: $cert.subject.common_name, equals: FGT60}`:                                 false,
		`{at: $cert.subject.common_name, equals: [x, FGT60D]}`:                           true,
		`{at: $cert.subject.common_name, match: '^FGT\d+'}`:                              true,
		`{at: [$cert.subject.nothing, $cert.subject.common_name], match: '^FGT'}`:        true,
		`{at: $cert.subject.common_name, contains: T60}`:                                 true,
		`{at: $cert.subject.common_name, contains: t60}`:                                 false,
		`{at: $cert.subject.ou, present: true}`:                                          false,
		`{at: $cert.subject.ou, present: false}`:                                         true,
		`{at: $cert.subject, present: true}`:                                             true,
		`{at: $cert.self, equals: true}`:                                                 true,
		`{at: $cert.self, equals: "true"}`:                                               false,
		`{at: $http.status_code, equals: 401}`:                                           true,
		`{at: $http.status_code, equals: "401"}`:                                         false,
		`{at: $http.status_code, min: 400, max: 499}`:                                    true,
		`{at: $http.status_code, min: 402}`:                                              false,
		`{at: $hello.version.value, max: 770}`:                                           false,
		`{at: tls.status, equals: success}`:                                              true,
		`{at: "*.status", equals: success}`:                                              true,
		`{not: {at: http.status, equals: success}}`:                                      true,
		`[{at: tls.status, equals: success}, {at: $http.body, match: "(?i)<TITLE>log"}]`: true,
		`{all: [{at: tls.status, equals: success}, {at: $http.body, match: "nope"}]}`:    false,
		`{any: [{at: tls.status, equals: failure}, {at: $http.body, match: "Log"}]}`:     true,
		`{any: [{at: tls.status, equals: failure}, {at: $http.body, match: "log"}]}`:     false,
	} {
		s, err := Read(strings.NewReader("rules: [{name: x, when: "+when+"}]"), "t.yaml")
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if got := len(s.Match([]byte(data))) == 1; got != want {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
}

func TestMatchSaysWhatRulesSay(t *testing.T) {
	s, err := Read(strings.NewReader(`
rules:
  - name: any
    when: {at: $banner, present: true}
    confidence: 10
  - name: ssh
    vendor: 'V{version}'
    product: OpenSSH
    version: '{version}{patch}'
    cpe: 'cpe:2.3:a:openbsd:openssh:{version}:{patch}:*:*:*:*:*:*'
    when:
      any:
        - [{at: $banner, match: 'OpenSSH_(?P<version>[0-9.]+)'}, {at: $banner, contains: never}]
        - {at: $banner, match: 'OpenSSH_(?P<version>\S+?)(?P<patch>p\d+)?(?:\s|$)'}
  - name: hello
    hello: {suites: [TLS_RSA_WITH_AES_128_CBC_SHA, "0x000A"]}
    when: {at: x.client_hello, present: true}
`), "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string][]Fingerprint{
		`{"ssh":{"result":{"banner":"SSH-2.0-OpenSSH_9.6p1"}}}`: {
			{Name: "ssh", Vendor: "V9.6", Product: "OpenSSH", Version: "9.6p1", CPE: "cpe:2.3:a:openbsd:openssh:9.6:p1:*:*:*:*:*:*", Confidence: 80},
			{Name: "any", Confidence: 10},
		},
		`{"ssh":{"result":{"banner":"OpenSSH_a:b*\u001b"}}}`: {
			{Name: "ssh", Vendor: "Va:b*\uFFFD", Product: "OpenSSH", Version: "a:b*\uFFFD", CPE: `cpe:2.3:a:openbsd:openssh:a\:b\*_:*:*:*:*:*:*:*`, Confidence: 80},
			{Name: "any", Confidence: 10},
		},
		`{"x":{"client_hello":{"cipher_suites":[{"value":10},{"value":47}]}}}`:             {{Name: "hello", Confidence: 80}},
		`{"x":{"client_hello":{"cipher_suites":[{"value":10},{"value":47},{"value":5}]}}}`: nil,
		`{"x":{"client_hello":{"cipher_suites":[{"value":10},{"value":"47"}]}}}`:           nil,
		`{`: nil,
		``:  nil,
	} {
		for range 2 { // the second time with what the first one left
			if diff := cmp.Diff(want, s.Match([]byte(in))); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", in, diff)
			}
		}
	}
	if diff := cmp.Diff([][]uint16{{10, 47}}, s.Hellos()); diff != "" {
		t.Error(diff)
	}
}

// TestIdentify writes what Match says, and nothing where nothing is said.
func TestIdentify(t *testing.T) {
	s, err := Read(strings.NewReader("rules:\n  - {name: it, when: {at: a, equals: 1}, tests: {positive: [{data: {a: 1}}], negative: [{data: {a: 2}}]}}\n"), "rules")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(s.Identify([]byte(`{"a":1}`))); got != `[{"name":"it","confidence":80}]` {
		t.Error(got)
	}
	if got := s.Identify([]byte(`{"a":2}`)); got != nil {
		t.Errorf("%s", got)
	}
	if got := (*Set)(nil).Identify([]byte(`{"a":1}`)); got != nil {
		t.Errorf("%s", got)
	}
}

func TestMistakesNameTheirPlace(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "f.yaml: no rules",
		"rules: 1":                              "f.yaml:1: rules are a list",
		"a: b":                                  `f.yaml:1: there is no key "a"`,
		"rules: [":                              "f.yaml: ",
		"rules:\n- 1":                           "f.yaml:2: a mapping belongs here",
		"rules:\n- {when: {}}":                  "f.yaml:2: a rule has a name",
		"rules:\n- name: n\n  name: m":          "f.yaml:3: key name stands twice",
		"rules:\n- name: n\n  when:\n    at: a": "f.yaml:4: rule n: a path (at) has one test",
		"rules:\n- name: n\n  when:\n    match: a":                                                                               "f.yaml:4: rule n: match needs a path",
		"rules:\n- name: n\n  when: {}":                                                                                          "f.yaml:3: rule n: a condition is one of",
		"rules:\n- name: n\n  when: []":                                                                                          "f.yaml:3: rule n: a list of conditions",
		"rules:\n- name: n\n  when: {at: a, min: x}":                                                                             "f.yaml:3: rule n: a number belongs here",
		"rules:\n- name: n\n  when: {at: a, min: 2, max: 1}":                                                                     "f.yaml:3: rule n: min is greater",
		"rules:\n- name: n\n  when: {at: a, match: '('}":                                                                         "f.yaml:3: rule n: error parsing regexp",
		"rules:\n- name: n\n  when: {at: a, match: a, equals: b}":                                                                "f.yaml:3: rule n: a path (at) has one test",
		"rules:\n- name: n\n  when: {at: a, present: 1}":                                                                         "f.yaml:3: rule n: present is true or false",
		"rules:\n- name: n\n  when: {at: a, equals: []}":                                                                         "f.yaml:3: rule n: equals names no value",
		"rules:\n- name: n\n  when: {at: a..b, present: true}":                                                                   `f.yaml:3: rule n: path "a..b" has an empty part`,
		"rules:\n- name: n\n  when: {at: a.**, present: true}":                                                                   `f.yaml:3: rule n: path "a.**" ends nowhere`,
		"rules:\n- name: n\n  when: {at: $x.b, present: true}":                                                                   "f.yaml:3: rule n: there is no word $x: $banner, $cert",
		"rules:\n- name: n\n  version: '{v}'\n  when: {at: a, match: a}":                                                         "f.yaml:3: rule n: version: no regular expression",
		"rules:\n- name: n\n  version: '{v'\n  when: {at: a, match: a}":                                                          "f.yaml:3: rule n: version: ",
		"rules:\n- name: n\n  cpe: 'cpe:2.3:a'\n  when: {at: a, match: a}":                                                       `f.yaml:3: rule n: "cpe:2.3:a" is not`,
		"rules:\n- name: n\n  confidence: 0\n  when: {at: a, match: a}":                                                          "f.yaml:3: rule n: confidence is 1 to 100",
		"rules:\n- name: n\n  hello: {suites: [RC4]}\n  when: {at: a, match: a}":                                                 "f.yaml:3: rule n: \"RC4\" is neither",
		"rules:\n- name: n\n  hello: {suites: []}\n  when: {at: a, match: a}":                                                    "f.yaml:3: rule n: hello names no suites",
		"rules:\n- &a {name: n, when: {at: a, present: true}}\n- *a":                                                             "f.yaml:3: a mapping belongs here, not an alias",
		"rules:\n- {name: n, when: {at: a, present: true}}\n- {name: n, when: {at: a, present: true}}":                           "f.yaml:3: rule n: there is a rule of this name",
		"rules:\n- name: n\n  when: {not: {at: a, match: '(?P<v>a)'}}\n  version: '{v}'":                                         "f.yaml:4: rule n: version: no regular",
		"rules:\n- name: n\n  when: {at: a, present: true}\n  tests:\n    positive:\n    - data: {b: 1}":                         "f.yaml:6: rule n: its test has it match: true, and it is false",
		"rules:\n- name: n\n  when: {at: a, present: true}\n  tests:\n    negative:\n    - data: {a: 1}":                         "f.yaml:6: rule n: its test has it match: false, and it is true",
		"rules:\n- name: n\n  when: {at: a, match: '(?P<version>.)'}\n  tests:\n    positive:\n    - {data: {a: x}, version: y}": `f.yaml:6: rule n: its test wants version "y", and it gives "x"`,
		"rules:\n- name: n\n  when: " + strings.Repeat("[", 20) + "{at: a, present: true}" + strings.Repeat("]", 20):             "f.yaml:3: rule n: conditions are nested deeper",
	} {
		_, err := Read(strings.NewReader(in), "f.yaml")
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s...", in, err, want)
		}
	}
	if _, err := Open("no/such/file"); err == nil {
		t.Error("a file that does not exist: got no error")
	}
}

// FuzzRead has the reader read anything, and what it takes for rules match something.
func FuzzRead(f *testing.F) {
	b, err := shipped.ReadFile("rules/web.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b), `{"http":{"result":{"response":{"headers":{"server":["nginx/1.2"]}}}}}`)
	f.Add("rules: [{name: x, hello: {suites: [TLS_RSA_WITH_AES_128_CBC_SHA]}, version: '{a}', when: {any: [{not: {at: '**.a', min: 1}}, {at: [a, b], match: '(?P<a>x+)'}]}}]", `{"a":{"a":2},"b":"xx"}`)
	f.Add("rules: [{name: x, when: {at: a, equals: [1, true, x]}, tests: {positive: {data: {a: 1}}, negative: [{data: {a: [null, ~, 0x10, .inf]}}]}}]", `{"a":true}`)
	f.Fuzz(func(t *testing.T, rules, data string) {
		s, err := Read(strings.NewReader(rules), "f.yaml")
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.File != "f.yaml" {
				t.Errorf("got %v, want an Error with its file", err)
			}
			return
		}
		first, again := s.Match([]byte(data)), s.Match([]byte(data))
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("the second time differs: %s", diff)
		}
		for _, p := range first {
			if p.Confidence < 1 || p.Confidence > 100 || len(p.Version) > 2*maxFilled {
				t.Errorf("got %+v", p)
			}
		}
	})
}
