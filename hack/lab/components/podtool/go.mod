// The one program that the lab's own pods run: standard library only.
module github.com/netladder/netladder/hack/lab/components/podtool

go 1.26.0
