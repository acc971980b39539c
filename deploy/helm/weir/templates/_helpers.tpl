{{- define "weir.name" -}}
{{- if contains "weir" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-weir" (.Release.Name | trunc 47 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "weir.selector" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "weir.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "weir.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "weir.name" .) }}
{{- end }}

{{- define "weir.metricsHost" -}}
{{- get (dict "loopback" "127.0.0.1" "nodeIP" "$(HOST_IP)" "all" "0.0.0.0") .Values.metrics.listen -}}
{{- end }}

{{- define "weir.probe" -}}
httpGet:
  {{- if eq .listen "loopback" }}
  # The kubelet is on the node's loopback as well.
  host: 127.0.0.1
  {{- end }}
  path: {{ .path }}
  port: {{ .port }}
{{- end }}

{{/* Root without a capability: it writes files of root's, and does nothing else. */}}
{{- define "weir.plainSecurity" -}}
runAsUser: 0
runAsGroup: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- include "weir.confinement" . }}
{{- end }}

{{/* What waits after the uninstaller writes a mark on the BPF filesystem. */}}
{{- define "weir.waitingSecurity" -}}
{{- include "weir.plainSecurity" . }}
{{- include "weir.unconfined" . }}
{{- end }}

{{/* What both the agent and the uninstaller do to the node needs. */}}
{{- define "weir.nodeSecurity" -}}
runAsUser: 0
runAsGroup: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  add:
    # Entering pods' network namespaces; it holds what CAP_BPF and CAP_PERFMON permit as well.
    - SYS_ADMIN
    # Qdiscs, filters and devices.
    - NET_ADMIN
    {{- if .Values.supportLinux510 }}
    # Raising the limit of locked memory.
    - SYS_RESOURCE
    {{- end }}
{{- include "weir.confinement" . }}
{{- include "weir.unconfined" . }}
{{- end }}

{{- define "weir.confinement" }}
seccompProfile:
  type: RuntimeDefault
{{- with .Values.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "weir.unconfined" }}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}
# The runtimes' profile denies writing in /sys/fs/bpf.
appArmorProfile:
  type: Unconfined
{{- end }}
{{- end }}

{{- define "weir.nodeMounts" -}}
- name: state
  mountPath: /run/weir
- name: bpffs
  mountPath: /sys/fs/bpf
  mountPropagation: HostToContainer
- name: netns
  mountPath: /run/netns
  readOnly: true
  # Without it the namespaces of later pods are not seen.
  mountPropagation: HostToContainer
{{- end }}

{{- define "weir.cniArguments" -}}
- --bin-dir
- /host/cni/bin
- --conf-dir
- /host/cni/conf
{{- range .Values.cni.networks }}
- --network
- {{ . | quote }}
{{- end }}
{{- range .Values.cni.conflists }}
- --conflist
- {{ printf "/host/cni/conf/%s" . | quote }}
{{- end }}
{{- end }}

{{- define "weir.cniMounts" -}}
- name: cni-bin
  mountPath: /host/cni/bin
- name: cni-conf
  mountPath: /host/cni/conf
  {{- if not (or .Values.cni.networks .Values.cni.conflists .Values.uninstall.enabled) }}
  readOnly: true
  {{- end }}
{{- end }}
