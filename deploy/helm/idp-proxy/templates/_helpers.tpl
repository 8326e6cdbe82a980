{{/* Names, labels, and what follows from several values. */}}

{{- define "idp-proxy.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "idp-proxy.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "idp-proxy.fullname" .) }}
{{- end -}}

{{/* What tells this release's pods from others; it cannot change in an upgrade. */}}
{{- define "idp-proxy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "idp-proxy.labels" -}}
{{ include "idp-proxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "idp-proxy.image" -}}
{{- if .Values.image.digest -}}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{- define "idp-proxy.tlsSecret" -}}
{{- if eq .Values.tls.source "secret" -}}{{ .Values.tls.secretName }}
{{- else -}}{{ .Values.tls.secretName | default (printf "%s-tls" (include "idp-proxy.fullname" .)) }}{{- end -}}
{{- end -}}

{{- define "idp-proxy.policies" -}}
{{ .Values.existingPolicies | default (printf "%s-policies" (include "idp-proxy.fullname" .)) }}
{{- end -}}

{{/* Whether probes ask port 9090: the kubelet speaks gRPC without TLS only, and Linkerd lets in probes by HTTP only. */}}
{{- define "idp-proxy.probesByHttp" -}}
{{- if or .Values.tls.source (eq .Values.identity.mesh.kind "linkerd") -}}yes{{- end -}}
{{- end -}}

{{/* Whether port 9090 is open beyond the pod: for metrics and probes. */}}
{{- define "idp-proxy.hasAdmin" -}}
{{- if or .Values.metrics.enabled (include "idp-proxy.probesByHttp" .) -}}yes{{- end -}}
{{- end -}}

{{/* Seconds from SIGTERM until a pod is killed: being forgotten by callers, calls in flight, the audit's last lines and the last
     spans (5 s, both at once), and some more. What is not set is as in src/config/config.default.toml. */}}
{{- define "idp-proxy.graceSeconds" -}}
{{- $server := .Values.config.server | default dict -}}
{{- $milliseconds := add (get $server "drain_delay_ms" | default 0 | int) (get $server "drain_max_ms" | default 30000 | int) -}}
{{ add (div (add $milliseconds 999) 1000) 10 }}
{{- end -}}

{{/* One value in TOML. Helm's toToml writes whole numbers with a fraction. */}}
{{- define "idp-proxy.tomlValue" -}}
{{- if kindIs "string" . -}}{{ toJson . }}
{{- else if kindIs "bool" . -}}{{ . }}
{{- else if kindIs "slice" . -}}[{{ range $at, $item := . }}{{ if $at }}, {{ end }}{{ include "idp-proxy.tomlValue" $item }}{{ end }}]
{{- else if kindIs "map" . -}}{ {{ range $at, $key := keys . | sortAlpha }}{{ if $at }}, {{ end }}{{ $key }} = {{ include "idp-proxy.tomlValue" (get $ $key) }}{{ end }} }
{{- else -}}{{ printf "%d" (int64 .) }}{{- end -}}
{{- end -}}

{{/* A map of sections in TOML. */}}
{{- define "idp-proxy.toml" -}}
{{- range $section := keys . | sortAlpha }}
[{{ $section }}]
{{- $keys := get $ $section }}
{{- range $key := keys $keys | sortAlpha }}
{{ $key }} = {{ include "idp-proxy.tomlValue" (get $keys $key) }}
{{- end }}
{{ end }}
{{- end -}}

{{/* The proxy's configuration. */}}
{{- define "idp-proxy.config" -}}
{{- $values := .Values -}}
{{- $server := dict "listen" "0.0.0.0:50051" "admin_listen" (ternary "0.0.0.0:9090" "off" (eq (include "idp-proxy.hasAdmin" .) "yes")) -}}
{{- with $values.tls.source -}}
{{- $tls := dict -}}
{{- $files := ternary (list "svid.pem" "svid_key.pem" "svid_bundle.pem") (list "tls.crt" "tls.key" "ca.crt") (eq . "spire") -}}
{{- $_ := set $tls "certificate" (printf "/etc/idp-proxy/tls/%s" (index $files 0)) -}}
{{- $_ := set $tls "private_key" (printf "/etc/idp-proxy/tls/%s" (index $files 1)) -}}
{{- if eq $values.tls.clientCa "issuer" -}}{{- $_ := set $tls "client_ca" (printf "/etc/idp-proxy/tls/%s" (index $files 2)) -}}{{- end -}}
{{- if eq $values.tls.clientCa "configMap" -}}{{- $_ := set $tls "client_ca" (printf "/etc/idp-proxy/client-ca/%s" $values.tls.clientCaConfigMap.key) -}}{{- end -}}
{{- $_ := set $server "tls" $tls -}}
{{- end -}}
{{- $identity := dict "anonymous" $values.identity.anonymous -}}
{{- if eq $values.identity.mesh.kind "istio" -}}
{{- $_ := set $identity "mesh" (dict "header" "x-forwarded-client-cert" "trusted_peers" (list "127.0.0.6/32")) -}}
{{- else if eq $values.identity.mesh.kind "linkerd" -}}
{{- /* Stands for "nobody yet"; the pod's own address comes by the environment. */ -}}
{{- $_ := set $identity "mesh" (dict "header" "l5d-client-id" "trusted_peers" (list "192.0.2.1/32")) -}}
{{- end -}}
{{- $issuers := list -}}
{{- range $at, $issuer := $values.identity.jwt -}}
{{- $one := dict "issuer" $issuer.issuer "audience" $issuer.audience -}}
{{- with $issuer.jwksUrl -}}{{- $_ := set $one "jwks_url" . -}}{{- end -}}
{{- with $issuer.jwksConfigMap -}}{{- $_ := set $one "jwks_file" (printf "/etc/idp-proxy/jwks/%d/%s" $at .key) -}}{{- end -}}
{{- $issuers = append $issuers $one -}}
{{- end -}}
{{- with $issuers -}}{{- $_ := set $identity "jwt" . -}}{{- end -}}
{{- $own := dict "server" $server "identity" $identity "policy" (dict "directory" "/etc/idp-proxy/policies") "audit" (dict "sink" "stdout") "telemetry" (dict "log_format" "json") -}}
{{- with $values.audit.fingerprintKeySecret -}}{{- if .name -}}{{- $_ := set $own.audit "fingerprint_key_file" (printf "/etc/idp-proxy/audit/%s" .key) -}}{{- end -}}{{- end -}}
{{- include "idp-proxy.toml" (mergeOverwrite (deepCopy $values.config) $own) -}}
{{- end -}}
