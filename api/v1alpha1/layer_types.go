// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Handshake says how far a TCP connection is made.
// +kubebuilder:validation:Enum=HalfOpen;Full
type Handshake string

const (
	// HandshakeHalfOpen sends the first packet and takes the answer for it: the
	// application at the target never sees a connection.
	HandshakeHalfOpen Handshake = "HalfOpen"
	// HandshakeFull connects, and resets the connection at once.
	HandshakeFull Handshake = "Full"
)

// TCPLayer says how a connection is tried.
type TCPLayer struct {
	// handshake: HalfOpen leaves the application alone; Full connects as a
	// client does. Where it is absent, a prober that can makes half-open ones.
	// +required
	Handshake Handshake `json:"handshake"`
}

// HTTPMethod is a method that changes nothing at the target.
// +kubebuilder:validation:Enum=GET;HEAD
type HTTPMethod string

// The methods of an HTTP probe.
const (
	HTTPGet  HTTPMethod = "GET"
	HTTPHead HTTPMethod = "HEAD"
)

// HTTPScheme says whether a request goes over TLS.
// +kubebuilder:validation:Enum=HTTP;HTTPS
type HTTPScheme string

// The schemes of an HTTP probe.
const (
	SchemeHTTP  HTTPScheme = "HTTP"
	SchemeHTTPS HTTPScheme = "HTTPS"
)

// HTTPLayer is an HTTP/1.1 request. Redirects are not followed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || (has(self.scheme) && self.scheme == 'HTTPS')",message="http.tls needs scheme HTTPS: set http.scheme to HTTPS, or remove http.tls",fieldPath=".tls"
type HTTPLayer struct {
	// scheme of the request, by default HTTP; HTTPS verifies the server's
	// certificate.
	// +default="HTTP"
	// +optional
	Scheme HTTPScheme `json:"scheme,omitempty"`

	// path of the request, with an optional query; default /.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[!-~]*$')",message="http.path must begin with '/' and hold no spaces or control characters, for example /healthz"
	// +default="/"
	// +optional
	Path string `json:"path,omitempty"`

	// host is the Host header; absent means the address that is dialled.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9._:]*[A-Za-z0-9])?$')",message="http.host must be a host name with an optional port, for example shop.example.com"
	// +optional
	Host string `json:"host,omitempty"`

	// method of the request; default GET.
	// +default="GET"
	// +optional
	Method HTTPMethod `json:"method,omitempty"`

	// expectedStatuses: the status codes that are good. Absent means 200 to
	// 399, as for the kubelet's probes.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Minimum=100
	// +kubebuilder:validation:items:Maximum=599
	// +optional
	ExpectedStatuses []int32 `json:"expectedStatuses,omitempty"`

	// tls says how the certificate is verified, with scheme HTTPS.
	// +optional
	TLS *TLSLayer `json:"tls,omitempty"`
}

// MaxCABundle is how many bytes a TLSLayer's CABundle has at most: every node
// that a path starts on holds it.
const MaxCABundle = 8192

// TLSLayer says how the certificate of a server is verified. TLS 1.2 and 1.3
// are spoken, and no client certificate is shown.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caBundle) || !has(self.insecureSkipVerify) || !self.insecureSkipVerify",message="caBundle has no effect with insecureSkipVerify, which trusts every certificate: remove one of them",fieldPath=".caBundle"
type TLSLayer struct {
	// serverName that the certificate must be for, and that is asked for by SNI.
	// Absent means the name in http.host; else to.host.hostname; else, for a
	// Service, NAME.NAMESPACE.svc; else the address that is dialled.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?)*$') || isIP(self)",message="serverName must be a domain name or an IP address that the certificate is for, without a port, for example shop.example.com"
	// +optional
	ServerName string `json:"serverName,omitempty"`

	// caBundle: the certificate authorities to trust instead of the public ones,
	// as certificates in PEM. Whoever may read the check may read them.
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN CERTIFICATE-----')",message="caBundle must be certificates in PEM and begin with -----BEGIN CERTIFICATE-----"
	// +optional
	CABundle string `json:"caBundle,omitempty"`

	// insecureSkipVerify takes any certificate, an expired one too: the path
	// then says nothing about who answers.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// GRPCLayer is a question by the standard gRPC health protocol.
type GRPCLayer struct {
	// service to ask about; absent means the server as a whole.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]*$')",message="grpc.service must hold no spaces or control characters, for example shop.v1.Inventory"
	// +optional
	Service string `json:"service,omitempty"`

	// tls: the connection is made by TLS; {} verifies the certificate by
	// default. Absent means in the clear.
	// +optional
	TLS *TLSLayer `json:"tls,omitempty"`
}
