{{- define "serinus.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "serinus.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Not the operator's own, or the Service would send requests to the pod of `helm test`. */ -}}
{{- define "serinus.testSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "serinus.labels" -}}
{{ include "serinus.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "serinus.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "serinus.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "serinus.image" -}}
{{- $repository := required "image.repository is needed: no image is published, so build one with `make image` or the Dockerfile, push it and name it here" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "serinus.leaseNamespace" -}}
{{- .Values.config.leaderElection.namespace | default .Release.Namespace -}}
{{- end -}}

{{- /* Two releases in one namespace must not share a Lease: each would take the other for its standby. */ -}}
{{- define "serinus.leaseName" -}}
{{- $name := .Values.config.leaderElection.name | default (include "serinus.name" .) -}}
{{- /* The Lease of a namespace has this name, whoever holds it. */ -}}
{{- eq $name "serinus-install" | ternary "serinus-install-leader" $name -}}
{{- end -}}

{{- /* The Leases of all shards that there may be, and the list of replicas; as a JSON list. */ -}}
{{- define "serinus.leaseNames" -}}
{{- $name := include "serinus.leaseName" . -}}
{{- $names := list $name -}}
{{- range untilStep 1 16 1 -}}
{{- $names = append $names (printf "%s-shard-%d" $name .) -}}
{{- end -}}
{{- append $names (printf "%s-replicas" $name) | toJson -}}
{{- end -}}

{{- /* Where else Gateways are looked for, as a JSON list: the namespaces of those that are granted. */ -}}
{{- define "serinus.gatewayNamespaces" -}}
{{- $found := list -}}
{{- if .Values.config.watchNamespaces -}}
{{- range .Values.config.tenants -}}
{{- range .gateways -}}
{{- $namespace := splitList "/" . | first -}}
{{- if and (ne . "*") (not (has $namespace (concat $found $.Values.config.watchNamespaces))) -}}
{{- $found = append $found $namespace -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* A Role of one namespace and its binding to the operator. */ -}}
{{- define "serinus.namespaced" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "serinus.name" .root }}-{{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "serinus.labels" .root | nindent 4 }}
rules:
{{ include .rules .root }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "serinus.name" .root }}-{{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "serinus.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "serinus.name" .root }}-{{ .name }}
subjects:
{{ include "serinus.operatorSubjects" .root }}
{{- end }}

{{- /* What is of the cluster has a name for each install that watches some namespaces only: there may be several. */ -}}
{{- define "serinus.clusterName" -}}
{{- include "serinus.name" . -}}{{- if .Values.config.watchNamespaces }}-{{ .Release.Namespace }}{{- end -}}
{{- end -}}

{{- /* What the operator would refuse to start with, and a schema cannot say. */ -}}
{{- define "serinus.checkConfig" -}}
{{- $names := list -}}
{{- range .Values.config.prometheus -}}
{{- if has .name $names -}}
{{- fail (printf "config.prometheus: two sources are called %q; give each a name of its own" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- if contains "@" .url -}}
{{- fail (printf "config.prometheus: the url of source %q has a user or password; use basicAuth or bearerTokenFile" .name) -}}
{{- end -}}
{{- $secrets := or .bearerTokenFile .basicAuth .headerFiles -}}
{{- if and $secrets (hasPrefix "http://" .url) (not .allowInsecureAuth) -}}
{{- fail (printf "config.prometheus: source %q would send its secrets over plain http; write url as https://, or set allowInsecureAuth: true" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.config.tenants -}}
{{- $namespace := .namespace -}}
{{- range .sources -}}
{{- if not (has . (append $names "*")) -}}
{{- fail (printf "config.tenants: namespace %q is granted %q, which is no source of config.prometheus; use one of %s, *" $namespace . (join ", " $names)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
