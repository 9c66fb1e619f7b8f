import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Java's own path validation, with revocation, of many certificates in one run.
 *
 * Each line of the file named by the argument: name, "crl" or "ocsp", milliseconds, policy or "-", root, issuing
 * authority, certificate, evidence (revocation lists, or one OCSP response), separated by tabs. Each line printed: the
 * name, a tab, and "valid" or why not.
 */
public final class ChainJudge {
    private static final CertificateFactory FACTORY = factory();

    public static void main(String[] arguments) throws Exception {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] words = line.split("\t");
            System.out.println(words[0] + "\t" + verdict(words));
        }
    }

    private static String verdict(String[] words) {
        try {
            X509Certificate certificate = certificate(words[6]);
            PKIXParameters rules = new PKIXParameters(Set.of(new TrustAnchor(certificate(words[4]), null)));
            rules.setDate(new Date(Long.parseLong(words[2])));
            rules.setPolicyQualifiersRejected(false);
            if (!words[3].equals("-")) {
                rules.setExplicitPolicyRequired(true);
                rules.setInitialPolicies(Set.of(words[3]));
            }
            CertPathValidator validator = CertPathValidator.getInstance("PKIX");
            PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
            if (words[1].equals("crl")) {
                checker.setOptions(EnumSet.of(Option.PREFER_CRLS, Option.NO_FALLBACK));
                List<X509CRL> lists = new ArrayList<>();
                for (int place = 7; place < words.length; place++) {
                    lists.add(list(words[place]));
                }
                rules.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
            } else {
                checker.setOptions(EnumSet.of(Option.NO_FALLBACK, Option.ONLY_END_ENTITY));
                checker.setOcspResponses(Map.of(certificate, Files.readAllBytes(Path.of(words[7]))));
            }
            rules.addCertPathChecker(checker);
            validator.validate(FACTORY.generateCertPath(List.of(certificate, certificate(words[5]))), rules);
            return "valid";
        } catch (Exception refusal) {
            return refusal.toString();
        }
    }

    private static X509Certificate certificate(String path) throws Exception {
        try (InputStream stream = new FileInputStream(path)) {
            return (X509Certificate) FACTORY.generateCertificate(stream);
        }
    }

    private static X509CRL list(String path) throws Exception {
        try (InputStream stream = new FileInputStream(path)) {
            return (X509CRL) FACTORY.generateCRL(stream);
        }
    }

    private static CertificateFactory factory() {
        try {
            return CertificateFactory.getInstance("X.509");
        } catch (Exception impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
