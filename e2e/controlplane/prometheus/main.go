// Command histograms writes native histograms as a block that Prometheus starts with, which promtool
// cannot: OpenMetrics text has none.
//
// It reads a JSON object a line from standard input, those of a series in order of time, and takes
// the directory of Prometheus' database as its only argument.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	blockMilliseconds = 1458 * 60 * 60 * 1000 // the largest block that Prometheus itself would make
	samplesAtOnce     = 10_000
	longestLine       = 1 << 20
)

// sample is one line. Its buckets are pairs of index and count, in order of index.
type sample struct {
	Labels        map[string]string `json:"labels"`
	Time          float64           `json:"time"` // Unix seconds
	Schema        int32             `json:"schema"`
	Bounds        []float64         `json:"bounds"` // upper ones, of custom buckets (schema -53)
	ZeroThreshold float64           `json:"zeroThreshold"`
	ZeroCount     uint64            `json:"zeroCount"`
	Sum           float64           `json:"sum"`
	Buckets       [][2]int64        `json:"buckets"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s DIRECTORY < LINES\n", os.Args[0])
		os.Exit(2)
	}
	if err := write(os.Stdin, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(lines io.Reader, directory string) (err error) {
	writer, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), directory, blockMilliseconds)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	ctx := context.Background()
	appender, pending := writer.Appender(ctx), 0
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, longestLine)
	for number := 1; scanner.Scan(); number++ {
		if err := add(appender, scanner.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if pending++; pending == samplesAtOnce {
			if err := appender.Commit(); err != nil {
				return err
			}
			appender, pending = writer.Appender(ctx), 0
		}
	}
	if err := errors.Join(scanner.Err(), appender.Commit()); err != nil {
		return err
	}
	_, err = writer.Flush(ctx)
	return err
}

func add(appender storage.Appender, line []byte) error {
	var one sample
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	written := one.histogram()
	if err := written.Validate(); err != nil {
		return err
	}
	milliseconds := int64(math.Round(one.Time * 1000))
	_, err := appender.AppendHistogram(0, labels.FromMap(one.Labels), milliseconds, written, nil)
	return err
}

func (s *sample) histogram() *histogram.Histogram {
	h := &histogram.Histogram{
		Schema:        s.Schema,
		ZeroThreshold: s.ZeroThreshold,
		ZeroCount:     s.ZeroCount,
		Count:         s.ZeroCount,
		Sum:           s.Sum,
	}
	if h.UsesCustomBuckets() {
		h.CustomValues = s.Bounds
	}
	next, before := int32(0), int64(0)
	for _, bucket := range s.Buckets {
		index, count := int32(bucket[0]), bucket[1]
		if last := len(h.PositiveSpans) - 1; last >= 0 && index == next {
			h.PositiveSpans[last].Length++
		} else {
			h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: index - next, Length: 1})
		}
		h.PositiveBuckets = append(h.PositiveBuckets, count-before)
		h.Count += uint64(count)
		next, before = index+1, count
	}
	return h
}
