package service

import (
	"strings"

	"github.com/zmap-go/zmap/cert"
)

// standIns are parts of the subjects of certificates that servers show to those who name no host, or one that they do not have.
var standIns = []string{
	"CN=Kubernetes Ingress Controller Fake Certificate", // ingress-nginx
	"CN=TRAEFIK DEFAULT CERT",                           // Traefik
	"OU=No SNI provided; please fix your client.",       // Google's front ends
	"CN=sni-support-required-for-valid-ssl",             // CloudFront and hosters
}

// standIn says whether a certificate is known to be shown for want of a better one.
func standIn(c *cert.Certificate) bool {
	for _, s := range standIns {
		if strings.Contains(c.Subject, s) {
			return true
		}
	}
	return strings.HasSuffix(c.Subject, ".invalid") // RFC 6761 section 6.4: such a name is nobody's
}
