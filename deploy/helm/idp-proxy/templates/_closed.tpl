{{/* What has no safe default must be said. Every template that makes a pod or a way into it includes this. */}}
{{- define "idp-proxy.closed" -}}
{{- $values := .Values -}}
{{- $missing := list -}}
{{- if not $values.image.repository -}}{{- $missing = append $missing "image.repository: where is the image that deploy/docker/ makes?" -}}{{- end -}}

{{- $proof := or $values.identity.mesh.kind $values.identity.jwt $values.tls.clientCa -}}
{{- if and (not $proof) (eq $values.identity.anonymous "refuse") -}}
{{- $missing = append $missing "identity: nobody could be identified. Set identity.mesh.kind, tls.clientCa or identity.jwt; or, in words, identity.anonymous=allow_for_test_purposes_only" -}}
{{- end -}}

{{- if not (or $values.policies $values.existingPolicies $values.withoutPolicies) -}}
{{- $missing = append $missing "policies: without policies nothing is allowed. Set policies or existingPolicies; or, in words, withoutPolicies=deny_every_call" -}}
{{- end -}}
{{- if and $values.policies $values.existingPolicies -}}{{- $missing = append $missing "policies and existingPolicies: only one of them" -}}{{- end -}}
{{- if and $values.withoutPolicies (or $values.policies $values.existingPolicies) -}}{{- $missing = append $missing "withoutPolicies: there are policies" -}}{{- end -}}

{{- if and $values.tls.clientCa (not $values.tls.source) -}}{{- $missing = append $missing "tls.source: tls.clientCa needs TLS at the proxy" -}}{{- end -}}
{{- if and (eq $values.tls.clientCa "configMap") (not $values.tls.clientCaConfigMap.name) -}}{{- $missing = append $missing "tls.clientCaConfigMap.name: which ConfigMap?" -}}{{- end -}}
{{- if and (eq $values.tls.source "secret") (not $values.tls.secretName) -}}{{- $missing = append $missing "tls.secretName: which Secret?" -}}{{- end -}}
{{- if and (eq $values.tls.source "cert-manager") (not $values.tls.certManager.issuerRef) -}}{{- $missing = append $missing "tls.certManager.issuerRef: which Issuer signs the certificate?" -}}{{- end -}}
{{- if and (eq $values.tls.source "spire") (not $values.tls.spire.helperImage) -}}{{- $missing = append $missing "tls.spire.helperImage: which image of spiffe-helper?" -}}{{- end -}}

{{- if and $values.identity.mesh.kind $values.tls.source -}}
{{- $missing = append $missing "tls.source: behind a sidecar the proxy speaks plaintext; with TLS of its own the header would never come" -}}
{{- end -}}
{{- if and $values.identity.mesh.kind (not $values.identity.mesh.controlPlaneNamespace) -}}
{{- $missing = append $missing "identity.mesh.controlPlaneNamespace: where is the mesh's control plane (istio-system, linkerd)?" -}}
{{- end -}}
{{- if and $values.identity.jwt (not $values.identity.mesh.kind) (not $values.tls.source) -}}
{{- $missing = append $missing "tls.source: bearer tokens in plaintext can be read and used by whoever is on the way" -}}
{{- end -}}

{{- if and (not $values.networkPolicy.disable) (not $values.networkPolicy.callers) -}}
{{- $missing = append $missing "networkPolicy.callers: nobody could connect. List peers; or, in words, networkPolicy.disable=allow_all_traffic" -}}
{{- end -}}
{{- if and $values.metrics.serviceMonitor.enabled (not $values.metrics.enabled) -}}{{- $missing = append $missing "metrics.enabled: a ServiceMonitor needs the port" -}}{{- end -}}
{{- if and $values.metrics.enabled (not $values.networkPolicy.disable) (not $values.networkPolicy.scrapers) -}}
{{- $missing = append $missing "networkPolicy.scrapers: who may read metrics?" -}}
{{- end -}}

{{- $endpoint := ($values.config.telemetry | default dict).otlp_endpoint -}}
{{- /* HTTPS has a way already. */ -}}
{{- $isHttps := regexMatch `^https://([^/:]+|\[[^]]*\])(:443)?(/.*)?$` (toString $endpoint) -}}
{{- if and $endpoint (not $isHttps) (not $values.networkPolicy.disable) (not $values.networkPolicy.otlpTo.peers) -}}
{{- $missing = append $missing "networkPolicy.otlpTo.peers: where is the collector? Spans could not leave the pod" -}}
{{- end -}}
{{- if and $values.networkPolicy.otlpTo.peers (not $endpoint) -}}
{{- $missing = append $missing "config.telemetry.otlp_endpoint: networkPolicy.otlpTo opens a way that nothing takes" -}}
{{- end -}}

{{- range $section := list "identity" "policy" "audit" -}}
{{- if hasKey $values.config $section -}}{{- $missing = append $missing (printf "config.%s: is set by the chart, from the values of that name" $section) -}}{{- end -}}
{{- end -}}
{{- range $key := list "listen" "admin_listen" "tls" -}}
{{- if hasKey ($values.config.server | default dict) $key -}}{{- $missing = append $missing (printf "config.server.%s: is set by the chart" $key) -}}{{- end -}}
{{- end -}}
{{- if hasKey ($values.config.telemetry | default dict) "log_format" -}}
{{- $missing = append $missing "config.telemetry.log_format: is set by the chart" -}}
{{- end -}}

{{- if $missing -}}
{{- fail (printf "\n\nNot rendered:\n  * %s\n" (join "\n  * " $missing)) -}}
{{- end -}}
{{- end -}}
