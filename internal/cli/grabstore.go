package cli

import (
	"slices"
	"strings"

	"github.com/zmap-go/zmap/grab/service"
	"github.com/zmap-go/zmap/internal/outputs"
)

// certificatesField is the field of rows that databases store once.
const certificatesField = "certificates"

// grabText returns the module with its options as the user wrote it, but that the documents of grabs refer to certificates by their
// hash where all outputs are databases that have each certificate once, unless the user says otherwise.
func grabText(text string, outs []string, fields string) string {
	name, options, _ := strings.Cut(text, ",")
	kinds := service.Kinds()
	i := slices.IndexFunc(kinds, func(k service.Kind) bool { return k.Name == name })
	if i < 0 || !kinds[i].Takes("certificates") || strings.Contains(","+options, ",certificates=") || len(outs) == 0 {
		return text
	}
	for _, out := range outs {
		spec, err := outputs.Parse(out)
		if err != nil || spec.Kind.Name != "sqlite" && spec.Kind.Name != "postgres" || !takesCertificates(&spec, fields) {
			return text
		}
	}
	return text + ",certificates=sha256"
}

// takesCertificates says whether an output has the field, by its own list of fields or else by those that the user gave for all; a
// database without either takes all.
func takesCertificates(spec *outputs.Spec, fields string) bool {
	if own := spec.Option("fields"); own != "" {
		fields = own
	}
	if fields == "" {
		return spec.Kind.Store
	}
	return slices.ContainsFunc(strings.FieldsFunc(fields, func(r rune) bool { return r == ',' || r == ' ' }), func(f string) bool {
		return f == certificatesField || f == "*"
	})
}
