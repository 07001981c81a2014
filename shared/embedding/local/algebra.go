package local

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// matrix is a dense one, by rows.
type matrix struct {
	rows, columns int
	x             []float32
}

func newMatrix(rows, columns int) matrix {
	return matrix{rows, columns, make([]float32, rows*columns)}
}

func (m matrix) row(i int) []float32 { return m.x[i*m.columns : (i+1)*m.columns] }

// sparse is a matrix of mostly zeros, by rows.
type sparse struct {
	columns int
	ends    []int // of each row, in at and x
	at      []int32
	x       []float32
}

func (s *sparse) row(i int) ([]int32, []float32) {
	begin := 0
	if i > 0 {
		begin = s.ends[i-1]
	}
	return s.at[begin:s.ends[i]], s.x[begin:s.ends[i]]
}

// times returns s·m.
func (s *sparse) times(m matrix) matrix {
	product := newMatrix(len(s.ends), m.columns)
	for i := range s.ends {
		at, x := s.row(i)
		sum := product.row(i)
		for n, j := range at {
			axpy(sum, m.row(int(j)), x[n])
		}
	}
	return product
}

// transposedTimes returns sᵀ·m.
func (s *sparse) transposedTimes(m matrix) matrix {
	product := newMatrix(s.columns, m.columns)
	for i := range s.ends {
		at, x := s.row(i)
		row := m.row(i)
		for n, j := range at {
			axpy(product.row(int(j)), row, x[n])
		}
	}
	return product
}

// transposed returns sᵀ.
func (s *sparse) transposed() *sparse {
	t := &sparse{columns: len(s.ends), ends: make([]int, s.columns), at: make([]int32, len(s.at)), x: make([]float32, len(s.x))}
	next := make([]int, s.columns+1)
	for _, j := range s.at {
		next[j+1]++
	}
	for j := range s.columns {
		next[j+1] += next[j]
		t.ends[j] = next[j+1]
	}
	for i := range s.ends {
		at, x := s.row(i)
		for n, j := range at {
			t.at[next[j]], t.x[next[j]] = int32(i), x[n]
			next[j]++
		}
	}
	return t
}

const (
	oversampling    = 10
	powerIterations = 2
)

// leftSingular returns the k strongest left singular vectors of a, as columns, and their singular values, descending: by a
// random projection that is always the same (Halko, Martinsson, Tropp 2011, 4.4). Where a has no k of them the rest is zero.
func leftSingular(ctx context.Context, a *sparse, k int) (matrix, []float64, error) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // nothing is secret: the same texts have to make the same model
	projection := newMatrix(a.columns, k+oversampling)
	for i := range projection.x {
		projection.x[i] = float32(random.NormFloat64())
	}
	basis := a.times(projection)
	orthonormalize(basis)
	for range powerIterations {
		if err := ctx.Err(); err != nil {
			return matrix{}, nil, err
		}
		basis = a.times(a.transposedTimes(basis))
		orthonormalize(basis)
	}
	orthonormalize(basis) // twice is enough
	if err := ctx.Err(); err != nil {
		return matrix{}, nil, err
	}
	squares, rotation := eigen(gram(a.transposedTimes(basis)))
	order := make([]int, len(squares))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(squares[j], squares[i]) })
	turn := newMatrix(basis.columns, k)
	values := make([]float64, k)
	for c, from := range order[:k] {
		if squares[from] <= 1e-9*squares[order[0]] {
			break
		}
		values[c] = math.Sqrt(squares[from])
		for i := range basis.columns {
			turn.row(i)[c] = float32(rotation[i][from])
		}
	}
	vectors := newMatrix(basis.rows, k)
	for i := range basis.rows {
		for j, x := range basis.row(i) {
			axpy(vectors.row(i), turn.row(j), x)
		}
	}
	return vectors, values, nil
}

// gram returns mᵀ·m.
func gram(m matrix) [][]float64 {
	g := square(m.columns)
	wide := make([]float64, m.columns)
	for i := range m.rows {
		for j, x := range m.row(i) {
			wide[j] = float64(x)
		}
		for j, x := range wide {
			if x == 0 {
				continue
			}
			sums := g[j][j:]
			for n, y := range wide[j:] {
				sums[n] += x * y
			}
		}
	}
	for i := range g {
		for j := range i {
			g[i][j] = g[j][i]
		}
	}
	return g
}

func square(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// dependent is the part of a column's square below which what is left of it, without the columns before it, is rounding.
const dependent = 1e-9

// orthonormalize makes m's columns so, by Cholesky's factors of its Gram matrix. Columns that depend on those before them
// become zero.
func orthonormalize(m matrix) {
	g := gram(m)
	factor := square(m.columns) // upper: mᵀm = factorᵀ·factor
	for i := range g {
		pivot := g[i][i]
		for k := range i {
			pivot -= factor[k][i] * factor[k][i]
		}
		if pivot <= dependent*g[i][i] {
			continue
		}
		factor[i][i] = math.Sqrt(pivot)
		for j := i + 1; j < m.columns; j++ {
			x := g[i][j]
			for k := range i {
				x -= factor[k][i] * factor[k][j]
			}
			factor[i][j] = x / factor[i][i]
		}
	}
	wide := make([]float64, m.columns)
	for r := range m.rows { // row := row·factor⁻¹
		row := m.row(r)
		for j, x := range row {
			wide[j] = float64(x)
		}
		for j := range wide {
			if factor[j][j] == 0 {
				row[j] = 0
				continue
			}
			x := wide[j] / factor[j][j]
			row[j] = float32(x)
			rest := wide[j+1:]
			for n, y := range factor[j][j+1:] {
				rest[n] -= x * y
			}
		}
	}
}

// eigen returns the eigenvalues of a symmetric matrix, which it overwrites, and its eigenvectors, as columns, by Jacobi's
// rotations.
func eigen(a [][]float64) ([]float64, [][]float64) {
	n := len(a)
	v := square(n) // by rows while it is made
	for i := range v {
		v[i][i] = 1
	}
	for range 30 { // sweeps; it converges in less than ten
		off, all := 0.0, 0.0
		for i := range a {
			for j, x := range a[i] {
				all += x * x
				if j != i {
					off += x * x
				}
			}
		}
		if off <= 1e-20*all {
			break
		}
		for p := range n {
			for q := p + 1; q < n; q++ {
				if a[p][q] != 0 {
					rotate(a, v, p, q)
				}
			}
		}
	}
	values := make([]float64, n)
	for i := range a {
		values[i] = a[i][i]
		for j := range i {
			v[i][j], v[j][i] = v[j][i], v[i][j]
		}
	}
	return values, v
}

// rotate makes a[p][q] zero.
func rotate(a, v [][]float64, p, q int) {
	theta := (a[q][q] - a[p][p]) / (2 * a[p][q])
	t := math.Copysign(1/(math.Abs(theta)+math.Hypot(theta, 1)), theta)
	c := 1 / math.Hypot(t, 1)
	s := t * c
	turn := func(x, y []float64) {
		for i := range x {
			x[i], y[i] = c*x[i]-s*y[i], s*x[i]+c*y[i]
		}
	}
	turn(a[p], a[q])
	for i := range a {
		x, y := a[i][p], a[i][q]
		a[i][p], a[i][q] = c*x-s*y, s*x+c*y
	}
	turn(v[p], v[q])
}

// axpy adds x·by to sum.
func axpy(sum, x []float32, by float32) {
	x = x[:len(sum)]
	for len(sum) >= 4 && len(x) >= 4 {
		sum[0] += by * x[0]
		sum[1] += by * x[1]
		sum[2] += by * x[2]
		sum[3] += by * x[3]
		sum, x = sum[4:], x[4:]
	}
	for i := range sum {
		sum[i] += by * x[i]
	}
}
